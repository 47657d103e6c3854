"""Sandboxes, and the jobs that they are assigned to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

revision = "0003_sandboxes"
down_revision = "0002_auth"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "sandboxes",
        sa.Column("sandbox_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("pfn", sa.String(256), nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", BYTEA, nullable=False),
        sa.Column("announced_at", _TIME, nullable=False),
        sa.Column("last_access", _TIME, nullable=False),
        sa.Column("verified_at", _TIME),
        sa.Column("broken_at", _TIME),
        sa.Column("uploader_job_id", sa.BigInteger),
        sa.Column("released_at", _TIME),
        sa.Column("sweeping_at", _TIME),
        sa.Column("repacked_at", _TIME),
        sa.PrimaryKeyConstraint("sandbox_id", name="pk_sandboxes"),
        sa.UniqueConstraint("pfn", name="uq_sandboxes_pfn"),
    )
    op.create_index("ix_sandboxes_last_access", "sandboxes", ["last_access"])
    op.create_index(
        "ix_sandboxes_released_at", "sandboxes", ["released_at"], postgresql_where=sa.text("released_at IS NOT NULL")
    )
    op.create_index(
        "ix_sandboxes_unverified", "sandboxes", ["sandbox_id"], postgresql_where=sa.text("verified_at IS NULL")
    )
    op.create_table(
        "sandbox_jobs",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("sandbox_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "kind", "sandbox_id", name="pk_sandbox_jobs"),
        sa.CheckConstraint("kind IN ('Input', 'Output')", name="ck_sandbox_jobs_kind"),
    )
    op.create_index("ix_sandbox_jobs_sandbox_id", "sandbox_jobs", ["sandbox_id"])


def downgrade() -> None:
    """Drop the two tables; the objects in the store stay."""
    op.drop_table("sandbox_jobs")
    op.drop_table("sandboxes")
