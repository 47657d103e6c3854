"""Counts the attempts to log in of all server processes together."""

from alembic import op

revision = "0010_login_attempts"
down_revision = "0009_task_deaths"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; half of each page stays free, so that an update needs no new entry in the index."""
    op.execute("""
        CREATE UNLOGGED TABLE login_attempts (
            slot INTEGER NOT NULL,
            due TIMESTAMPTZ NOT NULL,
            CONSTRAINT pk_login_attempts PRIMARY KEY (slot)
        ) WITH (fillfactor = 50)
    """)


def downgrade() -> None:
    """Drop the table: each process counts for itself again."""
    op.execute("DROP TABLE login_attempts")
