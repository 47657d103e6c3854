"""Offers seen by the matcher, and answers kept for repeated questions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

revision = "0006_matcher"
down_revision = "0005_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "offer",
        sa.Column("offer_id", sa.Integer, sa.Identity(), nullable=False),
        sa.Column("hash", BYTEA, nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("ce", sa.String(128), nullable=False),
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("doc", JSONB, nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("misses", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("offer_id", name="pk_offer"),
        sa.UniqueConstraint("hash", "vo", "site", "ce", "queue", name="uq_offer_place"),
    )
    op.create_index("ix_offer_last_seen", "offer", ["last_seen"])
    op.create_table(
        "match_request",
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("jobs", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("pilot_stamp", "request_id", name="pk_match_request"),
    )
    op.create_index("ix_match_request_at", "match_request", ["at"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("match_request")
    op.drop_table("offer")
