"""A match writes less: no key of the journal of classes, blocks instead of entries for the time of kept answers."""

import sqlalchemy as sa
from alembic import op

revision = "0030_lighter_claims"
down_revision = "0029_pilot_records"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take away what nobody looks for."""
    op.drop_constraint("pk_class_count", "class_count")
    op.drop_column("class_count", "entry_id")
    op.drop_index("ix_match_request_at", "match_request")
    op.create_index("ix_match_request_at", "match_request", ["at"], postgresql_using="brin")
    op.execute("ALTER TABLE offer SET (fillfactor = 80)")


def downgrade() -> None:
    """Put it back."""
    op.execute("ALTER TABLE offer RESET (fillfactor)")
    op.drop_index("ix_match_request_at", "match_request")
    op.create_index("ix_match_request_at", "match_request", ["at"])
    op.add_column("class_count", sa.Column("entry_id", sa.BigInteger, sa.Identity(), nullable=False))
    op.create_primary_key("pk_class_count", "class_count", ["entry_id"])
