"""The jobs that pilots have now are found without those that they had."""

import sqlalchemy as sa
from alembic import op

revision = "0032_jobs_at_pilots"
down_revision = "0031_new_stamps"
branch_labels = None
depends_on = None

_LIVE = "status IN ('Matched', 'Running', 'Completing', 'Stalled')"


def upgrade() -> None:
    """Leave out ended jobs, which are nearly all."""
    op.drop_index("ix_jobs_pilot_stamp", "jobs")
    op.create_index("ix_jobs_pilot_stamp_live", "jobs", ["pilot_stamp"], postgresql_where=sa.text(_LIVE))


def downgrade() -> None:
    """Find ended jobs by their pilot, too."""
    op.drop_index("ix_jobs_pilot_stamp_live", "jobs")
    op.create_index("ix_jobs_pilot_stamp", "jobs", ["pilot_stamp"], postgresql_where=sa.text("pilot_stamp IS NOT NULL"))
