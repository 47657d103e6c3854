"""SQL of the waiting jobs and their classes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql


class LockedClass(NamedTuple):
    """A class whose row is locked."""

    class_id: int
    hash: bytes
    active: bool


_SELECT_KNOWN = "SELECT class_id, hash, active FROM requirement_class WHERE hash = ANY(:hashes) ORDER BY class_id"
_LOCK_CLASSES_SHARED = Sql(f"{_SELECT_KNOWN} FOR SHARE", LockedClass)
_LOCK_CLASSES = Sql(f"{_SELECT_KNOWN} FOR NO KEY UPDATE", LockedClass)
_INSERT_CLASSES = Sql(
    """
    INSERT INTO requirement_class (hash, document, vo, owner_group, owner, job_type, user_priority)
    SELECT hash, CAST(document AS jsonb), vo, owner_group, owner, job_type, user_priority
    FROM unnest(CAST(:hash AS bytea[]), CAST(:document AS text[]), CAST(:vo AS text[]), CAST(:owner_group AS text[]),
        CAST(:owner AS text[]), CAST(:job_type AS text[]), CAST(:user_priority AS smallint[]))
      AS made(hash, document, vo, owner_group, owner, job_type, user_priority)
    ORDER BY hash ON CONFLICT (hash) DO NOTHING
    """
)
_ACTIVATE_CLASSES = Sql("UPDATE requirement_class SET active = true WHERE class_id = ANY(:class_ids) AND NOT active")
_INSERT_JOBS = Sql(
    """
    WITH entered AS (
      INSERT INTO queue (class_id, job_id)
      SELECT class_id, job_id FROM unnest(CAST(:class_ids AS integer[]), CAST(:job_ids AS bigint[]))
        AS added(class_id, job_id)
      ORDER BY class_id, job_id ON CONFLICT DO NOTHING RETURNING class_id
    ), counted AS (
      INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM entered GROUP BY class_id
    )
    SELECT count(*) FROM entered
    """,
    int,
)
_DELETE_JOBS = Sql(
    """
    WITH held AS (
      -- sorted before they are locked: two kills of overlapping jobs wait for each other in one direction only
      SELECT class_id, job_id FROM queue WHERE job_id = ANY(:job_ids) ORDER BY class_id, job_id FOR UPDATE
    ), gone AS (
      DELETE FROM queue q USING held h WHERE q.class_id = h.class_id AND q.job_id = h.job_id RETURNING q.class_id
    ), counted AS (
      INSERT INTO class_count (class_id, delta) SELECT class_id, -count(*) FROM gone GROUP BY class_id
    )
    SELECT count(*) FROM gone
    """,
    int,
)
_SELECT_WAITING = Sql(
    "SELECT class_id, CAST(sum(delta) AS bigint) FROM class_count GROUP BY class_id HAVING sum(delta) > 0",
    tuple[int, int],
)
_SELECT_HEADS = Sql(
    """
    -- a loose index scan: one probe of the key a class, whatever the depth of the queue
    WITH RECURSIVE head AS (
      (SELECT class_id, job_id FROM queue ORDER BY class_id, job_id LIMIT 1)
      UNION ALL
      SELECT n.class_id, n.job_id FROM head h CROSS JOIN LATERAL (
        SELECT q.class_id, q.job_id FROM queue q WHERE q.class_id > h.class_id
        ORDER BY q.class_id, q.job_id LIMIT 1
      ) n
    )
    SELECT class_id, job_id FROM head
    """,
    tuple[int, int],
)
_SELECT_HEADS_OF = Sql(
    """
    SELECT c.class_id, q.job_id FROM unnest(CAST(:class_ids AS integer[])) AS c(class_id) CROSS JOIN LATERAL (
      SELECT job_id FROM queue WHERE class_id = c.class_id ORDER BY job_id LIMIT 1
    ) q
    """,
    tuple[int, int],
)
_SELECT_CLASSES = Sql(
    "SELECT class_id, document FROM requirement_class WHERE class_id = ANY(:class_ids)", tuple[int, Document]
)
_LOCK_DRAINED = Sql(
    """
    SELECT c.class_id FROM requirement_class c
    WHERE c.active AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id)
    ORDER BY c.class_id LIMIT :limit FOR UPDATE OF c SKIP LOCKED
    """,
    int,
)
_DEACTIVATE_CLASSES = Sql(
    """
    UPDATE requirement_class c SET active = false
    WHERE c.class_id = ANY(:class_ids) AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id)
    RETURNING c.class_id
    """,
    int,
)
_HAS_JOURNAL = Sql("SELECT EXISTS (SELECT FROM class_count GROUP BY class_id HAVING count(*) > 1)", bool)
_FOLD_COUNTS = Sql(
    """
    WITH many AS (
      SELECT class_id FROM class_count GROUP BY class_id HAVING count(*) > 1
    ), gone AS (
      DELETE FROM class_count WHERE class_id IN (SELECT class_id FROM many) RETURNING class_id, delta
    )
    INSERT INTO class_count (class_id, delta)
    SELECT class_id, sum(delta) FROM gone GROUP BY class_id HAVING sum(delta) <> 0
    """
)


async def lock_classes(tx: Tx, hashes: Sequence[bytes], *, exclusive: bool) -> list[LockedClass]:
    """Lock the known ones of these classes in the order of their numbers, so that lockers cannot form a cycle."""
    statement = _LOCK_CLASSES if exclusive else _LOCK_CLASSES_SHARED
    return await statement.rows(tx, hashes=hashes)


async def insert_classes(tx: Tx, columns: Mapping[str, Sequence[object]]) -> None:
    """Insert classes by columns, in the order of their hashes; those that exist stay as they are."""
    await _INSERT_CLASSES.run(tx, **columns)


async def activate_classes(tx: Tx, class_ids: Sequence[int]) -> None:
    """Mark classes as having jobs; their rows must be locked."""
    await _ACTIVATE_CLASSES.run(tx, class_ids=class_ids)


async def insert_jobs(tx: Tx, pairs: Sequence[tuple[int, int]]) -> int:
    """Add waiting jobs as (class, job); returns how many were not there yet."""
    return await _INSERT_JOBS.one(
        tx, class_ids=[class_id for class_id, _ in pairs], job_ids=[job_id for _, job_id in pairs]
    )


async def delete_jobs(tx: Tx, job_ids: Sequence[int]) -> int:
    """Take jobs out of every class; returns how many rows there were."""
    return await _DELETE_JOBS.one(tx, job_ids=job_ids)


async def select_waiting(tx: Tx) -> dict[int, int]:
    """Return the number of waiting jobs of each class that has any."""
    return dict(await _SELECT_WAITING.rows(tx))


async def select_heads(tx: Tx) -> dict[int, int]:
    """Return the oldest waiting job of each class that has any; costs one index probe a class."""
    return dict(await _SELECT_HEADS.rows(tx))


async def select_heads_of(tx: Tx, class_ids: Sequence[int]) -> dict[int, int]:
    """Return the oldest waiting job of those of these classes that have any."""
    return dict(await _SELECT_HEADS_OF.rows(tx, class_ids=class_ids))


async def select_classes(tx: Tx, class_ids: Sequence[int]) -> dict[int, Document]:
    """Return the documents of classes."""
    return dict(await _SELECT_CLASSES.rows(tx, class_ids=class_ids))


async def lock_drained_classes(tx: Tx, limit: int) -> list[int]:
    """Lock classes that look empty, passing over those whose rows somebody holds."""
    return await _LOCK_DRAINED.rows(tx, limit=limit)


async def deactivate_classes(tx: Tx, class_ids: Sequence[int]) -> list[int]:
    """Mark those of these locked classes that are empty now; the look is newer than the lock, so no job can slip by."""
    return await _DEACTIVATE_CLASSES.rows(tx, class_ids=class_ids)


async def has_journal(tx: Tx) -> bool:
    """Tell whether a class has more than one row in the journal."""
    return await _HAS_JOURNAL.one(tx)


async def fold_counts(tx: Tx) -> None:
    """Replace the journal's rows of each class by their sum."""
    await _FOLD_COUNTS.run(tx)
