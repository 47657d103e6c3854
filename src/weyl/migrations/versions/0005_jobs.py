"""Create the jobs room: jobs, descriptions, history, heartbeats, commands and the counters behind summaries."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

revision = "0005_jobs"
down_revision = "0004_task_queues"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_COUNTED = "vo, owner, owner_group, job_type, job_group, site, status, minor_status"


def upgrade() -> None:
    _create_jobs()
    _create_history()
    _create_satellites()
    _create_counters()
    _create_count_triggers()


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER jobs_count_{event} ON jobs")
    for function in ("jobs_count_inserted", "jobs_count_updated", "jobs_count_deleted"):
        op.execute(f"DROP FUNCTION {function}()")
    for table in [
        "submissions",
        "job_count_deltas",
        "job_counts",
        "job_attempts",
        "job_pilots",
        "job_commands",
        "job_heartbeats",
        "job_parameters",
        "job_history",
        "jobs",
        "job_descriptions",
    ]:
        op.drop_table(table)
    op.execute("DROP SEQUENCE job_history_id_seq")


def _create_jobs() -> None:
    op.create_table(
        "job_descriptions",
        sa.Column("description_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("jdl", sa.Text, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("description_id", name="pk_job_descriptions"),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("job_type", sa.String(32), nullable=False, server_default="user"),
        sa.Column("job_group", sa.String(32), nullable=False, server_default="00000000"),
        sa.Column("site", sa.String(100), nullable=False, server_default="ANY"),
        sa.Column("job_name", sa.String(128), nullable=False, server_default="Unknown"),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("submission_time", _TIME, nullable=False),
        sa.Column("reschedule_time", _TIME),
        sa.Column("last_update_time", _TIME, nullable=False),
        sa.Column("start_exec_time", _TIME),
        sa.Column("heart_beat_time", _TIME),
        sa.Column("end_exec_time", _TIME),
        sa.Column("status", sa.String(32), nullable=False, server_default="Received"),
        sa.Column("minor_status", sa.String(128), nullable=False, server_default="Unknown"),
        sa.Column("application_status", sa.String(255), nullable=False, server_default="Unknown"),
        sa.Column("user_priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reschedule_counter", sa.Integer, nullable=False, server_default="0"),
        sa.Column("verified_flag", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("accounted_flag", sa.Text, nullable=False, server_default="false"),
        sa.Column("class_ids", ARRAY(sa.Integer), nullable=False, server_default=sa.text("'{}'::integer[]")),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.Column("allocated", JSONB),
        sa.Column("description_id", sa.BigInteger, nullable=False),
        sa.Column("parameters", JSONB),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_jobs_vo_status", "jobs", ["vo", "status", "job_id"])
    op.create_index("ix_jobs_vo_owner", "jobs", ["vo", "owner", "job_id"])
    op.create_index("ix_jobs_job_group", "jobs", ["job_group", "vo"])
    op.create_index("ix_jobs_pilot_stamp", "jobs", ["pilot_stamp"], postgresql_where=sa.text("pilot_stamp IS NOT NULL"))
    op.create_index(
        "ix_jobs_heart_beat_time_live",
        "jobs",
        ["heart_beat_time"],
        postgresql_where=sa.text("status IN ('Matched', 'Running', 'Completing', 'Stalled')"),
    )


def _create_history() -> None:
    op.execute("CREATE SEQUENCE job_history_id_seq")
    op.create_table(
        "job_history",
        sa.Column("history_id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('job_history_id_seq')")),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("minor_status", sa.String(128), nullable=False),
        sa.Column("application_status", sa.String(255), nullable=False),
        sa.Column("source", sa.String(32), nullable=False, server_default="Unknown"),
        sa.Column("recorded_at", _TIME, nullable=False, server_default=sa.func.now()),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    op.create_index("ix_job_history_job_id", "job_history", ["job_id", "at"])
    op.create_table(
        "job_heartbeats",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("load_average", sa.Double),
        sa.Column("memory_used", sa.Double),
        sa.Column("vsize", sa.Double),
        sa.Column("available_disk_space", sa.Double),
        sa.Column("cpu_consumed", sa.Double),
        sa.Column("wall_clock_time", sa.Double),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_job_heartbeats_job_id", "job_heartbeats", ["job_id", "at"])
    for table in ("job_history", "job_heartbeats"):
        _create_partitions(table)


def _create_partitions(table: str) -> None:
    """This month and the next two; a task keeps ahead, and the default one catches what it missed."""
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1
    for month in range(first, first + 3):
        start = f"{month // 12}-{month % 12 + 1:02}-01"
        end = f"{(month + 1) // 12}-{(month + 1) % 12 + 1:02}-01"
        name = f"{table}_{start[:7].replace('-', '_')}"
        op.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')")
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")


def _create_satellites() -> None:
    op.create_table(
        "job_parameters",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_job_parameters"),
    )
    op.create_table(
        "job_commands",
        sa.Column("command_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("command", sa.String(32), nullable=False),
        sa.Column("arguments", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("delivered_at", _TIME),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.PrimaryKeyConstraint("command_id", name="pk_job_commands"),
    )
    op.create_index(
        "ix_job_commands_pending", "job_commands", ["job_id"], postgresql_where=sa.text("delivered_at IS NULL")
    )
    op.create_table(
        "job_pilots",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("job_id", "pilot_stamp", "at", name="pk_job_pilots"),
    )
    op.create_index("ix_job_pilots_pilot_stamp", "job_pilots", ["pilot_stamp"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("minor_status", sa.String(128), nullable=False),
        sa.Column("application_status", sa.String(255), nullable=False),
        sa.Column("start_exec_time", _TIME),
        sa.Column("end_exec_time", _TIME),
        sa.Column("parameters", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_attempts"),
    )
    op.create_table(
        "submissions",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("body_hash", BYTEA, nullable=False),
        sa.Column("job_ids", ARRAY(sa.BigInteger), nullable=False),
        sa.Column("submitted_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("vo", "subject", "key", name="pk_submissions"),
    )
    op.create_index("ix_submissions_submitted_at", "submissions", ["submitted_at"])


def _create_counters() -> None:
    def counted() -> list[sa.Column[str]]:
        sizes = {"vo": 32, "owner": 64, "owner_group": 128, "job_type": 32, "job_group": 32, "site": 100, "status": 32}
        sizes["minor_status"] = 128
        return [sa.Column(name, sa.String(size), nullable=False) for name, size in sizes.items()]

    op.create_table(
        "job_counts",
        *counted(),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*_COUNTED.split(", "), name="pk_job_counts"),
    )
    op.create_table("job_count_deltas", *counted(), sa.Column("delta", sa.BigInteger, nullable=False))


def _create_count_triggers() -> None:
    """A trigger a statement, not a row: 100,000 inserted jobs of one kind become one delta."""
    gained, lost = f"SELECT {_COUNTED}, 1 AS delta FROM gained", f"SELECT {_COUNTED}, -1 AS delta FROM lost"
    for event, rows, transition in (
        ("insert", gained, "NEW TABLE AS gained"),
        ("update", f"{gained} UNION ALL {lost}", "OLD TABLE AS lost NEW TABLE AS gained"),
        ("delete", lost, "OLD TABLE AS lost"),
    ):
        function = f"jobs_count_{event.removesuffix('e')}ed"
        op.execute(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"INSERT INTO job_count_deltas ({_COUNTED}, delta) "
            f"SELECT {_COUNTED}, sum(delta) FROM ({rows}) AS changed GROUP BY {_COUNTED} HAVING sum(delta) <> 0; "
            "RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER jobs_count_{event} AFTER {event.upper()} ON jobs REFERENCING {transition} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
