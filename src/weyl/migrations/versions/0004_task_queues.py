"""Placeholder until the room's tables are written."""

revision = "0004_task_queues"
down_revision = "0003_sandboxes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create nothing yet."""


def downgrade() -> None:
    """Drop nothing yet."""
