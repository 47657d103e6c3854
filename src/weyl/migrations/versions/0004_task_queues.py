"""Requirement classes, the queue of waiting jobs, and the journal of their counts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

revision = "0004_task_queues"
down_revision = "0003_sandboxes"
branch_labels = None
depends_on = None

CLEAN_EARLY = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"}


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "requirement_class",
        sa.Column("class_id", sa.Integer, sa.Identity(), nullable=False),
        sa.Column("hash", BYTEA, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_type", sa.String(32), nullable=False),
        sa.Column("user_priority", sa.SmallInteger, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("class_id", name="pk_requirement_class"),
        sa.UniqueConstraint("hash", name="uq_requirement_class_hash"),
    )
    op.create_index(
        "ix_requirement_class_active", "requirement_class", ["class_id"], postgresql_where=sa.text("active")
    )
    op.create_index("ix_requirement_class_vo", "requirement_class", ["vo"])
    op.create_table(
        "queue",
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("class_id", "job_id", name="pk_queue"),
        postgresql_with=CLEAN_EARLY,
    )
    op.create_index("ix_queue_job_id", "queue", ["job_id"])
    op.create_table(
        "class_count",
        sa.Column("entry_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("entry_id", name="pk_class_count"),
        postgresql_with=CLEAN_EARLY,
    )
    op.create_index("ix_class_count_class_id", "class_count", ["class_id"])


def downgrade() -> None:
    """Drop all of it."""
    op.drop_table("class_count")
    op.drop_table("queue")
    op.drop_table("requirement_class")
