"""Indexes of files: somebody's uploads under way, and what was done to files by action."""

from alembic import op

revision = "0041_indexes_of_files"
down_revision = "0040_job_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Serve what each upload and each repeated call asks."""
    op.execute("""
        CREATE INDEX ix_uploads_live ON uploads (vo, owner)
            WHERE job_id IS NULL AND state IN ('open', 'verifying')
    """)
    op.execute("DROP INDEX ix_file_log_vo_id")
    op.execute("CREATE INDEX ix_file_log_vo_id ON file_log (vo_id, action, at)")


def downgrade() -> None:
    """Put back what there was."""
    op.execute("DROP INDEX ix_file_log_vo_id")
    op.execute("CREATE INDEX ix_file_log_vo_id ON file_log (vo_id, at, log_id)")
    op.execute("DROP INDEX ix_uploads_live")
