"""Samples of what runs and waits, for a look back over the last day."""

from alembic import op

revision = "0042_activity_samples"
down_revision = "0041_indexes_of_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; the first sample comes with the next run of the task."""
    op.execute("""
        CREATE TABLE activity_samples (
            vo VARCHAR(128) NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            running BIGINT NOT NULL,
            waiting BIGINT NOT NULL,
            pilots BIGINT NOT NULL,
            cores BIGINT NOT NULL,
            CONSTRAINT pk_activity_samples PRIMARY KEY (vo, at)
        )
    """)
    op.execute("CREATE INDEX ix_activity_samples_at ON activity_samples (at)")


def downgrade() -> None:
    """Forget the samples."""
    op.execute("DROP TABLE activity_samples")
