"""What each pilot asked last."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023_push"
down_revision = "0027_failures"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pilot_question",
        sa.Column("pilot_stamp", sa.String(32), primary_key=True),
        sa.Column("doc", JSONB),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("miss", sa.String(32)),
        sa.Column("miss_at", _TIME),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("pilot_question")
