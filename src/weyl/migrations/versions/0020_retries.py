"""What retries change of jobs, what each run asked for, and how healthy the hosts are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020_retries"
down_revision = "0014_accounting"
branch_labels = None
depends_on = None

_LIVE = "status IN ('Matched', 'Running', 'Completing', 'Stalled')"


def upgrade() -> None:
    """Add the columns, the table, and the index that finds what runs on a host."""
    op.add_column("jobs", sa.Column("overrides", JSONB))
    op.add_column("job_attempts", sa.Column("host", sa.Text))
    op.add_column("job_attempts", sa.Column("error_class", sa.String(32)))
    op.add_column("job_attempts", sa.Column("overrides", JSONB))
    op.create_index("ix_jobs_host_live", "jobs", [sa.text("(allocated ->> 'host')")], postgresql_where=sa.text(_LIVE))
    op.create_table(
        "host_health",
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quick_failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("quick_owner", sa.Text),
        sa.Column("reason", sa.String(128), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("site", "host", name="pk_host_health"),
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("host_health")
    op.drop_index("ix_jobs_host_live", "jobs")
    for name in ("overrides", "error_class", "host"):
        op.drop_column("job_attempts", name)
    op.drop_column("jobs", "overrides")
