"""The index of job groups leads to the newest job of each owner's groups."""

from alembic import op

revision = "0043_job_groups"
down_revision = "0042_activity_samples"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the wider index, then let it take the place of the other."""
    op.execute("CREATE INDEX ix_jobs_job_group_owner ON jobs (job_group, vo, owner, job_id)")
    op.execute("DROP INDEX ix_jobs_job_group")
    op.execute("ALTER INDEX ix_jobs_job_group_owner RENAME TO ix_jobs_job_group")


def downgrade() -> None:
    """Go back to the narrow one."""
    op.execute("DROP INDEX ix_jobs_job_group")
    op.execute("CREATE INDEX ix_jobs_job_group ON jobs (job_group, vo)")
