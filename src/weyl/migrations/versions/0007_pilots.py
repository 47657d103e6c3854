"""Placeholder until the room's tables are written."""

revision = "0007_pilots"
down_revision = "0006_matcher"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create nothing yet."""


def downgrade() -> None:
    """Drop nothing yet."""
