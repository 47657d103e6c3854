"""SQL of the task queues that reads the rows of jobs: since when their first jobs wait, and the queue made anew."""

from datetime import datetime
from typing import TypedDict

from weyl.kit.db import Tx, driver_connection
from weyl.kit.json import Document
from weyl.kit.sql import Sql
from weyl.task_queues.permits import QueueScope
from weyl.task_queues.queries.classes import select_waiting


class WaitingClass(TypedDict):
    """A class with what waits in it, as it goes over the wire."""

    class_id: int
    vo: str
    owner_group: str
    owner: str
    job_type: str
    user_priority: int
    document: Document
    waiting: int
    first_job_id: int | None
    waiting_since: datetime | None


_TASK_QUEUES = """
    SELECT c.class_id, c.vo, c.owner_group, c.owner, c.job_type, c.user_priority, c.document,
      coalesce(n.waiting, 0) AS waiting, h.job_id AS first_job_id,
      greatest(j.submission_time, j.reschedule_time) AS waiting_since
    FROM requirement_class c
    LEFT JOIN LATERAL (
      SELECT CAST(sum(delta) AS bigint) AS waiting FROM class_count k WHERE k.class_id = c.class_id
    ) n ON true
    LEFT JOIN LATERAL (
      SELECT q.job_id FROM queue q WHERE q.class_id = c.class_id ORDER BY q.job_id LIMIT 1
    ) h ON true
    LEFT JOIN jobs j ON j.job_id = h.job_id
    WHERE c.vo = :vo
"""
_SELECT_TASK_QUEUES = Sql(
    f"{_TASK_QUEUES} AND c.active AND n.waiting > 0 ORDER BY n.waiting DESC, c.class_id LIMIT :limit", WaitingClass
)
_SELECT_TASK_QUEUE = Sql(f"{_TASK_QUEUES} AND c.class_id = :class_id", WaitingClass)


async def select_task_queues(tx: Tx, scope: QueueScope, *, limit: int) -> list[WaitingClass]:
    """Return the classes in scope that have waiting jobs, the longest first."""
    return await _SELECT_TASK_QUEUES.rows(tx, vo=scope.vo, limit=limit)


async def select_task_queue(tx: Tx, scope: QueueScope, class_id: int) -> WaitingClass | None:
    """Return one class, if it is in scope."""
    return await _SELECT_TASK_QUEUE.first(tx, vo=scope.vo, class_id=class_id)


# In the order that is quickest for ten million rows: emptied, filled, then indexed. What waits, the jobs' rows say.
_EMPTY_QUEUE = """
    SET LOCAL statement_timeout = 0;
    SET LOCAL work_mem = '128MB';
    SET LOCAL maintenance_work_mem = '256MB';
    TRUNCATE queue, class_count;
    ALTER TABLE queue DROP CONSTRAINT pk_queue;
    DROP INDEX ix_queue_job_id
"""
_REFILL_QUEUE = """
    INSERT INTO queue (class_id, job_id)
    SELECT c.class_id, j.job_id FROM jobs j CROSS JOIN LATERAL (
      SELECT j.class_ids[1] AS class_id WHERE cardinality(j.class_ids) = 1
      UNION ALL SELECT DISTINCT unnest(j.class_ids) WHERE cardinality(j.class_ids) > 1
    ) AS c
    WHERE j.status = 'Waiting' ORDER BY c.class_id, j.job_id;
    ALTER TABLE queue ADD CONSTRAINT pk_queue PRIMARY KEY (class_id, job_id);
    CREATE INDEX ix_queue_job_id ON queue (job_id);
    INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM queue GROUP BY class_id;
    UPDATE requirement_class SET active = true WHERE class_id IN (SELECT class_id FROM class_count) AND NOT active
"""
REBUILD_TIMEOUT_S = 3_600.0


async def refill_queue(tx: Tx) -> dict[int, int]:
    """Make the queue anew from the waiting jobs; returns their number by class.

    The lock that this takes first stops matching and submitting until `tx` ends.
    """
    connection = await driver_connection(tx)
    for statements in (_EMPTY_QUEUE, _REFILL_QUEUE):
        await connection.execute(statements, timeout=REBUILD_TIMEOUT_S)
    return await select_waiting(tx)
