"""The tables of failures that are alike: sums by hour and day, what each kind is, and notes."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from weyl.kit.db import Timestamp, metadata

failure_hours = sa.Table(
    "failure_hours",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("hour", Timestamp, primary_key=True),
    sa.Column("signature", sa.String(16), primary_key=True),
    sa.Column("site", sa.String(100), primary_key=True),
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("first_at", Timestamp, nullable=False),
    sa.Column("last_at", Timestamp, nullable=False),
    sa.Index("ix_failure_hours_hour", "hour"),
)

# The same by the day, with the counts of each site and of each owner in one row: months are read from here.
failure_days = sa.Table(
    "failure_days",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("day", Timestamp, primary_key=True),
    sa.Column("signature", sa.String(16), primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("sites", JSONB, nullable=False),
    sa.Column("owners", JSONB, nullable=False),
    sa.Column("first_at", Timestamp, nullable=False),
    sa.Column("last_at", Timestamp, nullable=False),
    sa.Index("ix_failure_days_day", "day"),
)

# The first failure of each kind stands for all of them.
failure_signatures = sa.Table(
    "failure_signatures",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("signature", sa.String(16), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("example", sa.Text, nullable=False),
    sa.Column("job_id", sa.BigInteger, nullable=False),
    sa.Column("first_seen", Timestamp, nullable=False),
    sa.Column("last_seen", Timestamp, nullable=False),
)

failure_notes = sa.Table(
    "failure_notes",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("signature", sa.String(16), primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("link", sa.Text),
    sa.Column("author", sa.String(64), nullable=False),
    sa.Column("at", Timestamp, nullable=False),
)
