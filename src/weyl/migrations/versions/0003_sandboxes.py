"""Placeholder until the room's tables are written."""

revision = "0003_sandboxes"
down_revision = "0002_auth"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create nothing yet."""


def downgrade() -> None:
    """Drop nothing yet."""
