"""Pilots that are to finish what they have, and refresh tokens whose answer got lost."""

import sqlalchemy as sa
from alembic import op

revision = "0011_pilot_drain"
down_revision = "0010_login_attempts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nothing is written anew."""
    op.add_column("pilots", sa.Column("drain_at", sa.DateTime(timezone=True)))
    op.create_index("ix_pilots_drain_at", "pilots", ["drain_at"], postgresql_where=sa.text("drain_at IS NOT NULL"))
    op.add_column("pilot_sessions", sa.Column("refreshed_at", sa.DateTime(timezone=True)))
    op.add_column("pilot_sessions", sa.Column("refreshed_from", sa.String(64)))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("pilot_sessions", "refreshed_from")
    op.drop_column("pilot_sessions", "refreshed_at")
    op.drop_index("ix_pilots_drain_at", "pilots")
    op.drop_column("pilots", "drain_at")
