"""The table of the preparation room: what stagers are asked to bring from tape."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from weyl.kit.db import Timestamp, metadata

# Sets of files that jobs want from tape: one row a set, however many jobs want it.
stage_requests = sa.Table(
    "stage_requests",
    metadata,
    sa.Column("request_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("digest", BYTEA, nullable=False),
    # Pairs of file and storage element.
    sa.Column("files", JSONB, nullable=False),
    # Wanted: the stager does not have it yet. Asked: it has. Staged: the files are on disk.
    sa.Column("state", sa.String(8), nullable=False, server_default="wanted"),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("staged_at", Timestamp),
    sa.Index("ix_stage_requests_digest", "vo", "digest", unique=True),
)
