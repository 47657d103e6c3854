"""What holds jobs before they wait for a pilot, and which files are wanted from tape."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

revision = "0021_preparation"
down_revision = "0020_retries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; jobs that the release before has held are looked at by the tasks that it has left."""
    at = sa.DateTime(timezone=True)
    op.create_table(
        "job_holds",
        sa.Column("job_id", sa.BigInteger, autoincrement=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("names", ARRAY(sa.Text), nullable=False),
        sa.Column("since", at, nullable=False),
        sa.Column("hold_until", at),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("woken_at", at),
        sa.Column("request_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_holds"),
    )
    unwoken = sa.text("woken_at IS NULL")
    op.create_index("ix_job_holds_hold_until", "job_holds", ["hold_until"], postgresql_where=unwoken)
    op.create_index("ix_job_holds_names", "job_holds", ["names"], postgresql_using="gin")
    requested = sa.text("request_id IS NOT NULL")
    op.create_index("ix_job_holds_request_id", "job_holds", ["request_id"], postgresql_where=requested)
    op.create_table(
        "stage_requests",
        sa.Column("request_id", sa.BigInteger, sa.Identity()),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("digest", BYTEA, nullable=False),
        sa.Column("files", JSONB, nullable=False),
        sa.Column("state", sa.String(8), nullable=False, server_default="wanted"),
        sa.Column("created_at", at, nullable=False),
        sa.Column("staged_at", at),
        sa.PrimaryKeyConstraint("request_id", name="pk_stage_requests"),
    )
    op.create_index("ix_stage_requests_digest", "stage_requests", ["vo", "digest"], unique=True)


def downgrade() -> None:
    """Drop them; jobs that are held then go on when they are rescheduled."""
    op.drop_table("stage_requests")
    op.drop_table("job_holds")
