"""Orders about very many jobs, what finds jobs that are old enough to go, and how many jobs share a description."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0022_operations"
down_revision = "0021_preparation"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_OLD = {"ix_jobs_ended": "status IN ('Done', 'Failed', 'Killed')", "ix_jobs_deleted": "status = 'Deleted'"}


def upgrade() -> None:
    """Create the table, the index, and count the jobs of each description."""
    op.create_table(
        "operations",
        sa.Column("operation_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("vo", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("administrators", ARRAY(sa.Text), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("items", ARRAY(sa.BigInteger)),
        sa.Column("last_item", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("errors", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("detail", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.PrimaryKeyConstraint("operation_id", name="pk_operations"),
    )
    op.create_index("ix_operations_subject", "operations", ["vo", "subject", "created_at"])
    op.create_index("ix_operations_live", "operations", ["vo", "subject"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_operations_ended_at", "operations", ["ended_at"])
    for name, which in _OLD.items():
        columns = ["vo", "job_type", "last_update_time", "job_id"]
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(which))
    op.add_column("job_descriptions", sa.Column("jobs", sa.BigInteger))
    op.execute(
        "UPDATE job_descriptions SET jobs = made.jobs"
        " FROM (SELECT description_id, count(*) AS jobs FROM jobs GROUP BY description_id) AS made"
        " WHERE made.description_id = job_descriptions.description_id"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("job_descriptions", "jobs")
    for name in _OLD:
        op.drop_index(name, "jobs")
    op.drop_table("operations")
