"""Notes on campaigns."""

import sqlalchemy as sa
from alembic import op

revision = "example_vo_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "example_vo_notes",
        sa.Column("note_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("vo", sa.String(64), nullable=False),
        sa.Column("campaign", sa.String(16), nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("note_id", name="pk_example_vo_notes"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("example_vo_notes")
