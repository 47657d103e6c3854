"""SQL of what pilots have offered and asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql
from weyl.matcher.tables import offer, pilot_question


class Question(NamedTuple):
    """What a pilot has asked, and its last offer."""

    doc: Document | None
    asked: int
    hits: int
    at: datetime
    miss: str | None
    miss_at: datetime | None


class Offered(NamedTuple):
    """An offer with its place; the document is JSON text."""

    offer_id: int
    vo: str
    site: str
    ce: str
    queue: str
    doc: str


_RECORD_OFFERS = Sql(
    """
    INSERT INTO offer AS o (hash, vo, site, ce, queue, doc, last_seen, hits, misses)
    SELECT hash, vo, site, ce, queue, CAST(doc AS jsonb), :now, hits, misses
    FROM unnest(CAST(:hash AS bytea[]), CAST(:vo AS text[]), CAST(:site AS text[]), CAST(:ce AS text[]),
        CAST(:queue AS text[]), CAST(:doc AS text[]), CAST(:hits AS bigint[]), CAST(:misses AS bigint[]))
      AS seen(hash, vo, site, ce, queue, doc, hits, misses)
    ORDER BY hash, vo, site, ce, queue
    ON CONFLICT (hash, vo, site, ce, queue) DO UPDATE SET
      last_seen = CASE WHEN o.last_seen < excluded.last_seen - interval '1 minute' THEN excluded.last_seen
        ELSE o.last_seen END,
      hits = o.hits + excluded.hits, misses = o.misses + excluded.misses
    """
)
_COUNT_OFFERS = Sql(
    """
    UPDATE offer o SET
      last_seen = CASE WHEN o.last_seen < CAST(:now AS timestamptz) - interval '1 minute' THEN :now
        ELSE o.last_seen END,
      hits = o.hits + seen.hits, misses = o.misses + seen.misses
    FROM (
      SELECT o.offer_id, s.hits, s.misses
      FROM unnest(CAST(:hash AS bytea[]), CAST(:vo AS text[]), CAST(:site AS text[]), CAST(:ce AS text[]),
          CAST(:queue AS text[]), CAST(:hits AS bigint[]), CAST(:misses AS bigint[]))
        AS s(hash, vo, site, ce, queue, hits, misses)
      JOIN offer o USING (hash, vo, site, ce, queue)
      ORDER BY o.hash, o.vo, o.site, o.ce, o.queue FOR UPDATE OF o
    ) AS seen
    WHERE o.offer_id = seen.offer_id
    """
)
_RECORD_QUESTIONS = Sql(
    """
    INSERT INTO pilot_question AS q (pilot_stamp, doc, asked, hits, at, miss, miss_at)
    SELECT stamp, CAST(doc AS jsonb), asked, hits, at, miss, miss_at
    FROM unnest(CAST(:stamp AS text[]), CAST(:doc AS text[]), CAST(:asked AS bigint[]), CAST(:hits AS bigint[]),
        CAST(:at AS timestamptz[]), CAST(:miss AS text[]), CAST(:miss_at AS timestamptz[]))
      AS n(stamp, doc, asked, hits, at, miss, miss_at)
    ORDER BY stamp
    ON CONFLICT (pilot_stamp) DO UPDATE SET doc = coalesce(excluded.doc, q.doc),
      asked = q.asked + excluded.asked, hits = q.hits + excluded.hits, at = greatest(q.at, excluded.at),
      miss = coalesce(excluded.miss, q.miss), miss_at = coalesce(excluded.miss_at, q.miss_at)
    """
)
_SELECT_QUESTION = Sql(
    "SELECT doc, asked, hits, at, miss, miss_at FROM pilot_question WHERE pilot_stamp = :stamp", Question
)
_SELECT_OFFERS = Sql(
    """
    SELECT offer_id, hits + misses AS questions FROM offer WHERE vo = :vo AND last_seen >= :since
    ORDER BY last_seen DESC LIMIT :limit
    """,
    tuple[int, int],
)
_SELECT_OFFER_DOCUMENTS = Sql(
    "SELECT offer_id, vo, site, ce, queue, CAST(doc AS text) AS doc FROM offer WHERE offer_id = ANY(:offer_ids)",
    Offered,
)


async def record_offers(tx: Tx, columns: Mapping[str, Sequence[object]], now: datetime) -> None:
    """Add hits and misses to offers, which are made when they are new."""
    await _RECORD_OFFERS.run(tx, **columns, now=now)


async def count_offers(tx: Tx, columns: Mapping[str, Sequence[object]], now: datetime) -> int:
    """Add hits and misses to offers that are there; returns how many were."""
    return await _COUNT_OFFERS.run(tx, **{name: columns[name] for name in columns if name != "doc"}, now=now)


async def delete_offers(tx: Tx, before: datetime) -> None:
    """Forget offers that no pilot has made for long."""
    await tx.execute(sa.delete(offer).where(offer.c.last_seen < before))


async def record_questions(tx: Tx, columns: Mapping[str, Sequence[object]]) -> None:
    """Add what pilots asked to their rows; an offer that is null stays as it is."""
    await _RECORD_QUESTIONS.run(tx, **columns)


async def select_question(tx: Tx, stamp: str) -> Question | None:
    """Return what a pilot has asked, and its last offer; None if it never has."""
    return await _SELECT_QUESTION.first(tx, stamp=stamp)


async def delete_questions(tx: Tx, before: datetime) -> None:
    """Forget what pilots asked that have not asked since."""
    await tx.execute(sa.delete(pilot_question).where(pilot_question.c.at < before))


async def select_offers(tx: Tx, *, vo: str, since: datetime, limit: int) -> dict[int, int]:
    """Return the offers of a VO's pilots since a time, the latest first, with how often each was made."""
    return dict(await _SELECT_OFFERS.rows(tx, vo=vo, since=since, limit=limit))


async def select_offer_documents(tx: Tx, offer_ids: Sequence[int]) -> list[Offered]:
    """Return offers with their places and documents."""
    return await _SELECT_OFFER_DOCUMENTS.rows(tx, offer_ids=offer_ids)
