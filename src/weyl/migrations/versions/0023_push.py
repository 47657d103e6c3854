"""What each pilot asked last, and the jobs that are pushed to nodes without a network."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023_push"
down_revision = "0022_operations"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "pilot_question",
        sa.Column("pilot_stamp", sa.String(32), primary_key=True),
        sa.Column("doc", JSONB),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("miss", sa.String(32)),
        sa.Column("miss_at", _TIME),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": "50"},
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("push_number")))
    op.create_table(
        "pushed_jobs",
        sa.Column("stamp", sa.String(32), primary_key=True),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("vo", sa.String(128), nullable=False),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("ce", sa.String(128), nullable=False),
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("job", JSONB, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME),
        sa.Column("handle", sa.Text),
        sa.Column("checked_at", _TIME),
        sa.Column("started_at", _TIME),
        sa.Column("told_at", _TIME),
        sa.Column("unknown_since", _TIME),
        sa.Column("cancelled_at", _TIME),
        sa.Column("lines_told", sa.Integer, nullable=False, server_default="0"),
        sa.Column("told_until", _TIME),
        sa.Column("shift_s", sa.Double),
        sa.Column("closed_at", _TIME),
        sa.Column("reason", sa.Text),
        sa.Column("cleaned_at", _TIME),
    )
    op.create_index(
        "ix_pushed_jobs_open", "pushed_jobs", ["site", "ce", "queue"], postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("ix_pushed_jobs_pilot_stamp", "pushed_jobs", ["pilot_stamp"])
    op.create_index(
        "ix_pushed_jobs_uncleaned",
        "pushed_jobs",
        ["closed_at"],
        postgresql_where=sa.text("handle IS NOT NULL AND cleaned_at IS NULL"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("pushed_jobs")
    op.execute(sa.schema.DropSequence(sa.Sequence("push_number")))
    op.drop_table("pilot_question")
