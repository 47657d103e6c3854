"""The tables of the sandboxes room: what was announced, what of it was checked, and which jobs it is for."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from weyl.kit.db import Timestamp, metadata

# A row exists before the upload: only `verified_at` says that the object was there, with this size and digest.
sandboxes = sa.Table(
    "sandboxes",
    metadata,
    sa.Column("sandbox_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("pfn", sa.String(256), nullable=False),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("owner_group", sa.String(128), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", BYTEA, nullable=False),
    sa.Column("announced_at", Timestamp, nullable=False),
    sa.Column("last_access", Timestamp, nullable=False),
    sa.Column("verified_at", Timestamp),
    # When it was found to be wrong or missing; null again once it is announced anew.
    sa.Column("broken_at", Timestamp),
    # The payload that announced it; it may read it back before it is assigned.
    sa.Column("uploader_job_id", sa.BigInteger),
    # When a job last let go of it; null: no job ever had it since it was announced.
    sa.Column("released_at", Timestamp),
    # The cleaner is about to delete the object.
    sa.Column("sweeping_at", Timestamp),
    # When the copy for nodes without Zstandard was packed.
    sa.Column("repacked_at", Timestamp),
    sa.UniqueConstraint("pfn"),
    sa.Index("ix_sandboxes_last_access", "last_access"),
    sa.Index("ix_sandboxes_released_at", "released_at", postgresql_where=sa.text("released_at IS NOT NULL")),
    sa.Index("ix_sandboxes_unverified", "sandbox_id", postgresql_where=sa.text("verified_at IS NULL")),
)

# No foreign keys on purpose: their per-row triggers would cost more than the rest of a bulk submission. Sandboxes are
# locked while they are assigned, so the cleaner cannot remove one meanwhile.
sandbox_jobs = sa.Table(
    "sandbox_jobs",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(6), primary_key=True),
    sa.Column("sandbox_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.CheckConstraint("kind IN ('Input', 'Output')", name="kind"),
    sa.Index("ix_sandbox_jobs_sandbox_id", "sandbox_id"),
)
