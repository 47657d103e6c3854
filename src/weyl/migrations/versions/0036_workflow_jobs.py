"""Jobs that run a workflow: their input objects, the label of the workflow, and what they have put out."""

from alembic import op

revision = "0036_workflow_jobs"
down_revision = "0035_room_triggers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; servers of the release before go on writing jobs without it."""
    op.execute("ALTER TABLE jobs ADD COLUMN inputs JSON, ADD COLUMN workflow_id VARCHAR(64)")
    op.execute("CREATE INDEX ix_jobs_workflow_id ON jobs (vo, workflow_id, job_id) WHERE workflow_id IS NOT NULL")
    op.execute("""
        CREATE TABLE job_outputs (
            job_id BIGINT NOT NULL,
            sandbox TEXT,
            manifest JSON NOT NULL,
            at TIMESTAMPTZ NOT NULL,
            CONSTRAINT pk_job_outputs PRIMARY KEY (job_id)
        )
    """)


def downgrade() -> None:
    """Forget it: these jobs stay, and have nothing to run."""
    op.execute("DROP TABLE job_outputs")
    op.execute("DROP INDEX ix_jobs_workflow_id")
    op.execute("ALTER TABLE jobs DROP COLUMN workflow_id, DROP COLUMN inputs")
