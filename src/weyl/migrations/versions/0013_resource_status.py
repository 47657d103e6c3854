"""What people say of sites, computing elements and storage elements."""

import sqlalchemy as sa
from alembic import op

revision = "0013_resource_status"
down_revision = "0012_match_gates"
branch_labels = None
depends_on = None


def _claim_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("access", sa.String(16), nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16)),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("force", sa.Boolean, nullable=False, server_default=sa.false()),
    ]


def upgrade() -> None:
    """Create the tables and the one row of the revision."""
    op.create_table(
        "status_claims",
        *_claim_columns(),
        sa.PrimaryKeyConstraint("kind", "name", "access", "vo", "source", name="pk_status_claims"),
    )
    op.create_table(
        "status_history",
        sa.Column("change_id", sa.BigInteger, sa.Identity()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("changed_by", sa.String(255), nullable=False),
        *_claim_columns(),
        sa.PrimaryKeyConstraint("change_id", name="pk_status_history"),
    )
    op.create_index("ix_status_history_element", "status_history", ["kind", "name", "at"])
    op.create_table("status_revision", sa.Column("revision", sa.BigInteger, nullable=False))
    op.execute("INSERT INTO status_revision (revision) VALUES (0)")


def downgrade() -> None:
    """Drop them."""
    op.drop_table("status_revision")
    op.drop_table("status_history")
    op.drop_table("status_claims")
