"""Pilots that the worker plays get new stamps, as all others do, and no number."""

import sqlalchemy as sa
from alembic import op

revision = "0031_new_stamps"
down_revision = "0030_lighter_claims"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop what they were counted with."""
    op.execute(sa.schema.DropSequence(sa.Sequence("push_number")))


def downgrade() -> None:
    """Count them anew."""
    op.execute(sa.schema.CreateSequence(sa.Sequence("push_number")))
