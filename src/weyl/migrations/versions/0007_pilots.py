"""Pilots: the registry, secrets and their uses, sessions, logs, and the state of submission."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, UUID

from weyl.kit.partitions import month_start

revision = "0007_pilots"
down_revision = "0006_matcher"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_LIVE = "status IN ('Submitted', 'Waiting', 'Running', 'Unknown')"
_PARTITIONED = ("pilot_secret_uses", "pilot_log_chunks")


def upgrade() -> None:
    """Create the tables and the partitions of the months to come; a task adds the later ones."""
    _create_pilots()
    _create_secrets()
    _create_partitioned()
    _create_queues()
    now = datetime.now(UTC)
    for table in _PARTITIONED:
        for offset in range(-1, 3):
            start, end = month_start(now, offset), month_start(now, offset + 1)
            op.execute(
                f"CREATE TABLE {table}_{start:%Y_%m} PARTITION OF {table} "
                f"FOR VALUES FROM ('{start:%Y-%m-%d}') TO ('{end:%Y-%m-%d}')"
            )


def downgrade() -> None:
    """Drop everything of the room."""
    for table in ("pilot_queues", *_PARTITIONED, "pilot_sessions", "pilot_secrets", "pilots"):
        op.drop_table(table)


def _create_pilots() -> None:
    op.create_table(
        "pilots",
        sa.Column("pilot_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("initial_job_id", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("current_job_id", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("pilot_job_reference", sa.String(255), nullable=False, server_default="Unknown"),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("destination_site", sa.String(128), nullable=False, server_default="NotAssigned"),
        sa.Column("queue", sa.String(128), nullable=False, server_default="Unknown"),
        sa.Column("grid_site", sa.String(128), nullable=False, server_default="Unknown"),
        sa.Column("vo", sa.String(128), nullable=False),
        sa.Column("grid_type", sa.String(32), nullable=False, server_default="DIRAC"),
        sa.Column("bench_mark", sa.Double, nullable=False, server_default="0"),
        sa.Column("submission_time", _TIME, nullable=False),
        sa.Column("last_update_time", _TIME, nullable=False),
        sa.Column("status", sa.String(32), nullable=False, server_default="Submitted"),
        sa.Column("status_reason", sa.String(255), nullable=False, server_default="Unknown"),
        sa.Column("accounting_sent", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("origin", sa.String(16), nullable=False, server_default="registered"),
        sa.Column("handle", sa.Text),
        sa.Column("host", sa.String(255)),
        sa.Column("spoke_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("not_after", _TIME),
        sa.Column("revoked_at", _TIME),
        sa.Column("checked_at", _TIME),
        sa.Column("unknown_since", _TIME),
        sa.Column("cleaned_at", _TIME),
        sa.PrimaryKeyConstraint("pilot_id", name="pk_pilots"),
        sa.UniqueConstraint("pilot_stamp", name="uq_pilots_pilot_stamp"),
    )
    op.create_index("ix_pilots_vo_status", "pilots", ["vo", "status", "pilot_id"])
    op.create_index(
        "ix_pilots_live", "pilots", ["grid_site", "destination_site", "queue"], postgresql_where=sa.text(_LIVE)
    )
    op.create_index(
        "ix_pilots_revoked_at", "pilots", ["revoked_at"], postgresql_where=sa.text("revoked_at IS NOT NULL")
    )
    op.create_index(
        "ix_pilots_uncleaned",
        "pilots",
        ["ended_at"],
        postgresql_where=sa.text("handle IS NOT NULL AND cleaned_at IS NULL"),
    )


def _create_secrets() -> None:
    op.create_table(
        "pilot_secrets",
        sa.Column("secret_id", UUID(as_uuid=True), nullable=False),
        sa.Column("mac", BYTEA, nullable=False),
        sa.Column("vo", sa.String(128), nullable=False),
        sa.Column("site", sa.String(128)),
        sa.Column("ce", sa.String(128)),
        sa.Column("queue", sa.String(128)),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.Column("max_uses", sa.Integer, nullable=False, server_default="1"),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("not_after", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("secret_id", name="pk_pilot_secrets"),
        sa.UniqueConstraint("mac", name="uq_pilot_secrets_mac"),
    )
    op.create_index("ix_pilot_secrets_pilot_stamp", "pilot_secrets", ["pilot_stamp"])
    op.create_index("ix_pilot_secrets_not_after", "pilot_secrets", ["not_after"])
    op.create_table(
        "pilot_sessions",
        sa.Column("session_id", UUID(as_uuid=True), nullable=False),
        sa.Column("secret_id", UUID(as_uuid=True), nullable=False),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("not_after", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("session_id", name="pk_pilot_sessions"),
    )
    op.create_index("ix_pilot_sessions_secret_id", "pilot_sessions", ["secret_id"])
    op.create_index("ix_pilot_sessions_pilot_stamp", "pilot_sessions", ["pilot_stamp"])
    op.create_index("ix_pilot_sessions_not_after", "pilot_sessions", ["not_after"])


def _create_partitioned() -> None:
    op.create_table(
        "pilot_secret_uses",
        sa.Column("at", _TIME, nullable=False),
        sa.Column("secret_id", UUID(as_uuid=True)),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_pilot_secret_uses_secret_id", "pilot_secret_uses", ["secret_id"])
    op.create_table(
        "pilot_log_chunks",
        sa.Column("submission_time", _TIME, nullable=False),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("content", BYTEA, nullable=False),
        sa.PrimaryKeyConstraint("submission_time", "pilot_stamp", "number", name="pk_pilot_log_chunks"),
        postgresql_partition_by="RANGE (submission_time)",
    )


def _create_queues() -> None:
    op.create_table(
        "pilot_queues",
        sa.Column("vo", sa.String(128), nullable=False),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("ce", sa.String(128), nullable=False),
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("planned_at", _TIME, nullable=False),
        sa.Column("demand", sa.Double, nullable=False),
        sa.Column("usable", sa.Double, nullable=False),
        sa.Column("need", sa.Integer, nullable=False),
        sa.Column("waiting", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("skip_until", _TIME),
        sa.PrimaryKeyConstraint("vo", "site", "ce", "queue", name="pk_pilot_queues"),
    )
