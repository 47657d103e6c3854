"""What people keep in the web pages, and the indexes by which changes of jobs and pilots are found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0025_web"
down_revision = "0023_push"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "web_preferences",
        sa.Column("vo", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vo", "subject", name="pk_web_preferences"),
    )
    op.create_table(
        "web_dashboards",
        sa.Column("id", UUID, nullable=False),
        sa.Column("vo", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_web_dashboards"),
    )
    op.create_index("ix_web_dashboards_vo", "web_dashboards", ["vo", "subject"])
    op.create_index("ix_job_history_history_id", "job_history", ["history_id"])
    op.create_index("ix_pilots_last_update_time", "pilots", ["last_update_time"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_pilots_last_update_time", "pilots")
    op.drop_index("ix_job_history_history_id", "job_history")
    op.drop_table("web_dashboards")
    op.drop_table("web_preferences")
