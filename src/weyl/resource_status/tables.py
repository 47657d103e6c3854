"""The tables of resource status: claims, what became of them, and a number that every change raises."""

import sqlalchemy as sa

from weyl.kit.db import Timestamp, metadata


def _claim_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("access", sa.String(16), nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16)),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("set_at", Timestamp, nullable=False),
        sa.Column("expires_at", Timestamp),
        sa.Column("until", Timestamp),
        sa.Column("force", sa.Boolean, nullable=False, server_default=sa.false()),
    ]


CLAIM_COLUMNS = tuple(column.name for column in _claim_columns())

status_claims = sa.Table(
    "status_claims",
    metadata,
    *_claim_columns(),
    sa.PrimaryKeyConstraint("kind", "name", "access", "vo", "source"),
)

# Every claim that was made and every one that was taken back; one that expires needs no row, its end was said before.
status_history = sa.Table(
    "status_history",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("changed_by", sa.String(255), nullable=False),
    *_claim_columns(),
    sa.Index("ix_status_history_element", "kind", "name", "at"),
)

# One row. Whoever changes claims raises it first, so that changes are one after the other and none is overlooked.
status_revision = sa.Table("status_revision", metadata, sa.Column("revision", sa.BigInteger, nullable=False))
