"""The tables of the matcher: offers seen, what pilots asked last, and answers kept for repeated questions."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from weyl.kit.db import Timestamp, metadata

# A few hundred rows describe the whole farm: hosts are left out and wall times are in whole hours. `last_seen` is right
# to a minute: it is indexed, and rows whose indexed columns stay as they are cost a seventh to count on.
offer = sa.Table(
    "offer",
    metadata,
    sa.Column("offer_id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("hash", BYTEA, nullable=False),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("site", sa.String(128), nullable=False),
    sa.Column("ce", sa.String(128), nullable=False),
    sa.Column("queue", sa.String(128), nullable=False),
    sa.Column("doc", JSONB, nullable=False),
    sa.Column("last_seen", Timestamp, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False),
    sa.Column("misses", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("hash", "vo", "site", "ce", "queue", name="uq_offer_place"),
    sa.Index("ix_offer_last_seen", "last_seen"),
    postgresql_with={"fillfactor": "80"},
)

# The jobs that a pilot's question got, for the pilot that never heard the answer and asks again. Rows come in the order
# of their time and leave in it, which a summary of the blocks finds as well as an entry a row.
match_request = sa.Table(
    "match_request",
    metadata,
    sa.Column("pilot_stamp", sa.String(32), primary_key=True),
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("jobs", JSONB, nullable=False),
    sa.Index("ix_match_request_at", "at", postgresql_using="brin"),
)

# A row a pilot, written over and over: not logged, for after a crash of the database the next question makes it anew.
pilot_question = sa.Table(
    "pilot_question",
    metadata,
    sa.Column("pilot_stamp", sa.String(32), primary_key=True),
    sa.Column("doc", JSONB),
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("miss", sa.String(32)),
    sa.Column("miss_at", Timestamp),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": "50"},
)
