"""All SQL of the waiting jobs and their classes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from weyl.kit.db import Tx
from weyl.task_queues.permits import QueueScope
from weyl.task_queues.tables import requirement_class

_LOCK_CLASSES_SHARED = text(
    "SELECT class_id, hash, active FROM requirement_class WHERE hash = ANY(CAST(:hashes AS bytea[]))"
    " ORDER BY class_id FOR SHARE"
)
_LOCK_CLASSES = text(
    "SELECT class_id, hash, active FROM requirement_class WHERE hash = ANY(CAST(:hashes AS bytea[]))"
    " ORDER BY class_id FOR NO KEY UPDATE"
)
_INSERT_CLASSES = text(
    "INSERT INTO requirement_class (hash, document, vo, owner_group, owner, job_type, user_priority)"
    " SELECT hash, CAST(document AS jsonb), vo, owner_group, owner, job_type, user_priority"
    " FROM unnest(CAST(:hash AS bytea[]), CAST(:document AS text[]), CAST(:vo AS text[]), CAST(:owner_group AS text[]),"
    " CAST(:owner AS text[]), CAST(:job_type AS text[]), CAST(:user_priority AS smallint[]))"
    " AS made(hash, document, vo, owner_group, owner, job_type, user_priority)"
    " ORDER BY hash ON CONFLICT (hash) DO NOTHING"
)
_ACTIVATE_CLASSES = text(
    "UPDATE requirement_class SET active = true WHERE class_id = ANY(CAST(:class_ids AS integer[])) AND NOT active"
)
_INSERT_JOBS = text(
    "WITH entered AS ("
    "  INSERT INTO queue (class_id, job_id)"
    "  SELECT class_id, job_id FROM unnest(CAST(:class_ids AS integer[]), CAST(:job_ids AS bigint[]))"
    "  AS added(class_id, job_id) ORDER BY class_id, job_id ON CONFLICT DO NOTHING RETURNING class_id),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM entered GROUP BY class_id)"
    " SELECT count(*) FROM entered"
)
# Sorted before they are locked: two kills of overlapping jobs wait for each other in one direction only.
_DELETE_JOBS = text(
    "WITH held AS ("
    "  SELECT class_id, job_id FROM queue WHERE job_id = ANY(CAST(:job_ids AS bigint[]))"
    "  ORDER BY class_id, job_id FOR UPDATE),"
    " gone AS ("
    "  DELETE FROM queue q USING held h WHERE q.class_id = h.class_id AND q.job_id = h.job_id RETURNING q.class_id),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, -count(*) FROM gone GROUP BY class_id)"
    " SELECT count(*) FROM gone"
)
_SELECT_WAITING = text(
    "SELECT class_id, CAST(sum(delta) AS bigint) FROM class_count GROUP BY class_id HAVING sum(delta) > 0"
)
# A loose index scan: one probe of the key a class, whatever the depth of the queue.
_SELECT_HEADS = text(
    "WITH RECURSIVE head AS ("
    "  (SELECT class_id, job_id FROM queue ORDER BY class_id, job_id LIMIT 1)"
    "  UNION ALL"
    "  SELECT n.class_id, n.job_id FROM head h CROSS JOIN LATERAL ("
    "    SELECT q.class_id, q.job_id FROM queue q WHERE q.class_id > h.class_id"
    "    ORDER BY q.class_id, q.job_id LIMIT 1) n)"
    " SELECT class_id, job_id FROM head"
)
_SELECT_HEADS_OF = text(
    "SELECT c.class_id, q.job_id FROM unnest(CAST(:class_ids AS integer[])) AS c(class_id) CROSS JOIN LATERAL ("
    "  SELECT job_id FROM queue WHERE class_id = c.class_id ORDER BY job_id LIMIT 1) q"
)
_SELECT_CLASSES = select(requirement_class.c.class_id, requirement_class.c.document).where(
    requirement_class.c.class_id == any_(bindparam("class_ids", type_=ARRAY(Integer)))
)
_LOCK_DRAINED = text(
    "SELECT c.class_id FROM requirement_class c WHERE c.active"
    " AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id)"
    " ORDER BY c.class_id LIMIT :limit FOR UPDATE OF c SKIP LOCKED"
)
_DEACTIVATE_CLASSES = text(
    "UPDATE requirement_class c SET active = false WHERE c.class_id = ANY(CAST(:class_ids AS integer[]))"
    " AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id) RETURNING c.class_id"
)
_FOLD_COUNTS = text(
    "WITH many AS (SELECT class_id FROM class_count GROUP BY class_id HAVING count(*) > 1),"
    " gone AS (DELETE FROM class_count WHERE class_id IN (SELECT class_id FROM many) RETURNING class_id, delta)"
    " INSERT INTO class_count (class_id, delta)"
    " SELECT class_id, sum(delta) FROM gone GROUP BY class_id HAVING sum(delta) <> 0"
)
_TASK_QUEUES = (
    "SELECT c.class_id, c.vo, c.owner_group, c.owner, c.job_type, c.user_priority, c.document,"
    " coalesce(n.waiting, 0) AS waiting, h.job_id AS first_job_id"
    " FROM requirement_class c"
    " LEFT JOIN LATERAL (SELECT CAST(sum(delta) AS bigint) AS waiting FROM class_count k"
    "   WHERE k.class_id = c.class_id) n ON true"
    " LEFT JOIN LATERAL (SELECT q.job_id FROM queue q WHERE q.class_id = c.class_id"
    "   ORDER BY q.job_id LIMIT 1) h ON true"
    " WHERE c.vo = :vo AND "
)
_SELECT_TASK_QUEUES = text(
    _TASK_QUEUES + "c.active AND n.waiting > 0 ORDER BY n.waiting DESC, c.class_id LIMIT :limit"
).columns(document=JSONB)
_SELECT_TASK_QUEUE = text(_TASK_QUEUES + "c.class_id = :class_id").columns(document=JSONB)
_EMPTY_QUEUE = text("TRUNCATE queue, class_count")
# The one statement of this room that names a table above it: the queue is made from the jobs, which are the truth.
_REFILL_QUEUE = text(
    "WITH entered AS ("
    "  INSERT INTO queue (class_id, job_id) SELECT c.class_id, j.job_id FROM jobs j"
    "  CROSS JOIN LATERAL unnest(j.class_ids) AS c(class_id) WHERE j.status = 'Waiting'"
    "  ORDER BY c.class_id, j.job_id ON CONFLICT DO NOTHING RETURNING class_id),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM entered GROUP BY class_id"
    "   RETURNING class_id, delta),"
    " awake AS (UPDATE requirement_class SET active = true"
    "   WHERE class_id IN (SELECT class_id FROM counted) AND NOT active)"
    " SELECT class_id, delta FROM counted ORDER BY class_id"
)


async def lock_classes(tx: Tx, hashes: Sequence[bytes], *, exclusive: bool) -> list[dict[str, Any]]:
    """Lock the known ones of these classes in the order of their numbers, so that lockers cannot form a cycle."""
    statement = _LOCK_CLASSES if exclusive else _LOCK_CLASSES_SHARED
    rows = await tx.execute(statement, {"hashes": list(hashes)})
    return [dict(row) for row in rows.mappings()]


async def insert_classes(tx: Tx, columns: Mapping[str, Sequence[object]]) -> None:
    """Insert classes by columns, in the order of their hashes; those that exist stay as they are."""
    await tx.execute(_INSERT_CLASSES, dict(columns))


async def activate_classes(tx: Tx, class_ids: Sequence[int]) -> None:
    """Mark classes as having jobs; their rows must be locked."""
    await tx.execute(_ACTIVATE_CLASSES, {"class_ids": list(class_ids)})


async def insert_jobs(tx: Tx, pairs: Sequence[tuple[int, int]]) -> int:
    """Add waiting jobs as (class, job); returns how many were not there yet."""
    found = await tx.execute(
        _INSERT_JOBS, {"class_ids": [class_id for class_id, _ in pairs], "job_ids": [job_id for _, job_id in pairs]}
    )
    return int(found.scalar_one())


async def delete_jobs(tx: Tx, job_ids: Sequence[int]) -> int:
    """Take jobs out of every class; returns how many rows there were."""
    return int((await tx.execute(_DELETE_JOBS, {"job_ids": list(job_ids)})).scalar_one())


async def select_waiting(tx: Tx) -> dict[int, int]:
    """Return the number of waiting jobs of each class that has any."""
    return _pairs(await tx.execute(_SELECT_WAITING))


async def select_heads(tx: Tx) -> dict[int, int]:
    """Return the oldest waiting job of each class that has any; costs one index probe a class."""
    return _pairs(await tx.execute(_SELECT_HEADS))


async def select_heads_of(tx: Tx, class_ids: Sequence[int]) -> dict[int, int]:
    """Return the oldest waiting job of those of these classes that have any."""
    return _pairs(await tx.execute(_SELECT_HEADS_OF, {"class_ids": list(class_ids)}))


async def select_classes(tx: Tx, class_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the documents of classes."""
    return _pairs(await tx.execute(_SELECT_CLASSES, {"class_ids": list(class_ids)}))


async def lock_drained_classes(tx: Tx, limit: int) -> list[int]:
    """Lock classes that look empty, passing over those whose rows somebody holds."""
    return list((await tx.execute(_LOCK_DRAINED, {"limit": limit})).scalars())


async def deactivate_classes(tx: Tx, class_ids: Sequence[int]) -> list[int]:
    """Mark those of these locked classes that are empty now; the look is newer than the lock, so no job can slip by."""
    return list((await tx.execute(_DEACTIVATE_CLASSES, {"class_ids": list(class_ids)})).scalars())


async def has_journal(tx: Tx) -> bool:
    """Tell whether a class has more than one row in the journal."""
    return bool(await tx.scalar(text("SELECT EXISTS (SELECT FROM class_count GROUP BY class_id HAVING count(*) > 1)")))


async def fold_counts(tx: Tx) -> None:
    """Replace the journal's rows of each class by their sum."""
    await tx.execute(_FOLD_COUNTS)


async def select_task_queues(tx: Tx, scope: QueueScope, *, limit: int) -> list[dict[str, Any]]:
    """Return the classes in scope that have waiting jobs, the longest first."""
    rows = await tx.execute(_SELECT_TASK_QUEUES, {"vo": scope.vo, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def select_task_queue(tx: Tx, scope: QueueScope, class_id: int) -> dict[str, Any] | None:
    """Return one class, if it is in scope."""
    row = (await tx.execute(_SELECT_TASK_QUEUE, {"vo": scope.vo, "class_id": class_id})).mappings().one_or_none()
    return None if row is None else dict(row)


async def empty_queue(tx: Tx) -> None:
    """Forget all waiting jobs; the lock that this takes stops matching until the transaction ends."""
    await tx.execute(_EMPTY_QUEUE)


async def refill_queue(tx: Tx) -> dict[int, int]:
    """Put every waiting job back into its classes; returns the number of jobs a class."""
    return _pairs(await tx.execute(_REFILL_QUEUE))


def _pairs(rows: Iterable[Any]) -> dict[int, Any]:
    return {row[0]: row[1] for row in rows}
