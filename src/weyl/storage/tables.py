"""The tables of the storage room: uploads, and the places where each of them may be writing."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from weyl.kit.db import Timestamp, metadata

_LIVE = sa.text("state IN ('open', 'verifying')")

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("upload_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("owner_group", sa.String(128), nullable=False),
    # The run of a job whose outputs these are; null: a person's.
    sa.Column("job_id", sa.BigInteger),
    sa.Column("attempt", sa.Integer),
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Column("is_atomic", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    # When the last request that was ever handed out for it ends.
    sa.Column("requests_until", Timestamp, nullable=False),
    # From when on another process verifies it, because the one that began has had its time.
    sa.Column("verify_at", Timestamp),
    sa.Column("ended_at", Timestamp),
    # What is to be registered, where the client says that it lies, and what became of it.
    sa.Column("document", JSONB, nullable=False),
    sa.Column("landed", JSONB),
    sa.Column("outcome", JSONB),
    sa.CheckConstraint("state IN ('open', 'verifying', 'registered', 'failed', 'abandoned')", name="state"),
    sa.CheckConstraint("(job_id IS NULL) = (attempt IS NULL)", name="attempt"),
    sa.Index("uq_uploads_attempt", "job_id", "attempt", unique=True, postgresql_where=sa.text("state <> 'abandoned'")),
    sa.Index("ix_uploads_owner", "vo", "owner", "upload_id", postgresql_where=sa.text("job_id IS NULL")),
    sa.Index("ix_uploads_live", "vo", "owner", postgresql_where=sa.text(f"job_id IS NULL AND {_LIVE}")),
    sa.Index("ix_uploads_expires_at", "expires_at", postgresql_where=_LIVE),
    sa.Index("ix_uploads_verify_at", "verify_at", postgresql_where=sa.text("state = 'verifying'")),
    sa.Index("ix_uploads_ended_at", "ended_at", postgresql_where=sa.text("ended_at IS NOT NULL")),
)

# "I am writing here": no two of them have a path of one storage element, and no look-up shows them.
intents = sa.Table(
    "intents",
    metadata,
    sa.Column("intent_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("upload_id", sa.BigInteger, nullable=False),
    # Which file of the document, and which of its targets: the first is the one to try first.
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("se", sa.String(255), nullable=False),
    sa.Column("path", sa.Text(collation="C"), nullable=False),
    sa.Column("state", sa.String(9), nullable=False),
    # Whether the bytes come with the upload; those that lay there before are never swept.
    sa.Column("is_written", sa.Boolean, nullable=False),
    sa.Column("multipart", sa.Text),
    sa.Column("since", Timestamp, nullable=False),
    # From when on nobody can be writing here any more.
    sa.Column("sweep_at", Timestamp),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("detail", sa.Text),
    sa.CheckConstraint("state IN ('writing', 'landed', 'abandoned')", name="state"),
    sa.UniqueConstraint("se", "path", name="uq_intents_se_path"),
    sa.Index("ix_intents_upload_id", "upload_id", "number", "rank"),
    sa.Index("ix_intents_sweep_at", "sweep_at", postgresql_where=sa.text("state = 'abandoned'")),
    sa.Index("ix_intents_refused", "se", postgresql_where=sa.text("detail IS NOT NULL")),
)
