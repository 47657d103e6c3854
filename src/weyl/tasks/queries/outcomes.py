"""SQL of what becomes of tasks: put off, given back, finished in a group, or dead."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.search import SearchParams
from weyl.kit.search_sql import Columns, order_by, search_errors, where
from weyl.kit.sql import Sql, WireRow, fetch_as, first_as
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.tables import queue, task_dead_letters, task_groups

_letters, _groups = task_dead_letters.c, task_groups.c


class Attempt(TypedDict):
    """An attempt that failed."""

    at: datetime
    error: str


class Letter(TypedDict):
    """A dead letter as it goes over the wire."""

    id: int
    task: str
    vo: str | None
    error: str
    attempts: int
    enqueued_at: datetime
    died_at: datetime


class LetterDetails(TypedDict):
    """A dead letter with all that is known of it, as it goes over the wire."""

    id: int
    task: str
    vo: str | None
    priority: int
    payload: Any
    attempts: int
    error: str
    traceback: str
    history: list[Document]
    enqueued_at: datetime
    died_at: datetime


class Buried(NamedTuple):
    """What is needed of a dead letter that was removed, to enqueue it once more."""

    id: int
    task: str
    vo: str | None
    priority: int
    payload: Any


class Group(NamedTuple):
    """A group of tasks that something follows."""

    group_id: UUID
    total: int
    remaining: int
    failed: list[int]
    follow_up: str
    priority: int
    payload: Any


_DEFER = Sql(
    """
    UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
      execute_after = now() + CAST(:delay_s AS float8) * interval '1 s',
      headers = CASE WHEN jsonb_typeof(headers) = 'object' THEN headers ELSE '{}' END
        || jsonb_build_object('deferrals', CAST(:deferrals AS int))
    WHERE id = :id AND status = 'picked'
    """
)
_RELEASE = Sql(
    """
    UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now()
    WHERE id = ANY(:ids) AND status = 'picked'
    """
)
_HISTORY = Sql(
    """
    SELECT job_id, created AS at,
      CASE WHEN traceback ->> 'exception_type' = 'RetryRequested' THEN ''
        ELSE concat(traceback ->> 'exception_type', ': ') END || (traceback ->> 'exception_message') AS error
    FROM pgqueuer_log WHERE job_id = ANY(:ids) AND traceback IS NOT NULL
    ORDER BY job_id, created, id
    """,
    tuple[int, datetime, str],
)
_PRUNE_LOG = Sql("DELETE FROM pgqueuer_log WHERE created < :before AND aggregated")
_PRUNE_STATISTICS = Sql("DELETE FROM pgqueuer_statistics WHERE created < :before")


async def defer(tx: Tx, task_id: int, *, delay: timedelta, deferrals: int) -> None:
    """Put a running task back into the queue for later; its attempts are not counted up."""
    await _DEFER.run(tx, id=task_id, delay_s=delay.total_seconds(), deferrals=deferrals)


async def release(tx: Tx, task_ids: Sequence[int]) -> None:
    """Give tasks back that a worker was told to drop."""
    await _RELEASE.run(tx, ids=task_ids)


async def lock_queued(tx: Tx, task_ids: Sequence[int]) -> set[int]:
    """Lock and return those of these tasks that are still in the queue: the others were finished by somebody else."""
    rows = await tx.execute(
        sa.select(queue.c.id).where(queue.c.id.in_(task_ids)).order_by(queue.c.id).with_for_update()
    )
    return {task_id for (task_id,) in rows}


async def delete_waiting(tx: Tx, task_ids: Sequence[int]) -> int:
    """Remove tasks that have not begun; returns how many that were."""
    result = await tx.execute(
        sa.delete(queue).where(queue.c.id.in_(task_ids), sa.cast(queue.c.status, sa.Text) == "queued")
    )
    return int(result.rowcount)


async def select_history(tx: Tx, task_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """Return the failed attempts of each task, in order."""
    history: dict[int, list[Attempt]] = {task_id: [] for task_id in task_ids}
    for task_id, at, error in await _HISTORY.rows(tx, ids=task_ids):
        history[task_id].append({"at": at, "error": error})
    return history


async def insert_dead_letters(tx: Tx, letters: Sequence[Mapping[str, Any]]) -> None:
    """Keep tasks that failed for the last time."""
    await tx.execute(sa.insert(task_dead_letters), list(letters))


async def select_dead_letters(tx: Tx, keeper: TaskKeeper, *, task: str | None, limit: int) -> list[Letter]:
    """Return dead letters, the newest first."""
    statement = sa.select(*(_letters[name] for name in Letter.__annotations__))
    if task is not None:
        statement = statement.where(_letters.task == task)
    return await fetch_as(tx, Letter, statement.order_by(_letters.id.desc()).limit(limit))


COLUMNS: Columns = {name: _letters[name] for name in Letter.__annotations__}
"""What dead letters are searched by, and what lists show of them."""


async def search_dead_letters(
    tx: Tx, keeper: TaskKeeper, params: SearchParams, *, first: int, limit: int
) -> list[WireRow]:
    """Return the dead letters that meet all conditions, each with the number of all of them."""
    names = [name for name in COLUMNS if not params.parameters or name in params.parameters]
    # The number is counted with the rows: nobody has so many dead letters that it would take long.
    statement = sa.select(*(COLUMNS[name] for name in names), sa.func.count().over().label("total"))
    statement = statement.where(*where(params.search, COLUMNS))
    if params.sort:
        statement = statement.order_by(*order_by(params.sort, COLUMNS, last="id"))
    else:
        statement = statement.order_by(_letters.id.desc())
    async with search_errors():
        rows = await tx.execute(statement.offset(first).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def select_dead_letter(tx: Tx, keeper: TaskKeeper, letter_id: int) -> LetterDetails | None:
    """Return one dead letter with all that is known of it."""
    statement = sa.select(task_dead_letters).where(_letters.id == letter_id)
    return await first_as(tx, LetterDetails, statement)


async def delete_dead_letters(tx: Tx, letter_ids: Sequence[int]) -> list[Buried]:
    """Remove dead letters; returns them."""
    statement = sa.delete(task_dead_letters).where(_letters.id.in_(letter_ids))
    return await fetch_as(tx, Buried, statement.returning(*(_letters[name] for name in Buried._fields)))


async def insert_group(tx: Tx, group: Mapping[str, Any]) -> None:
    """Store a group of tasks that something follows."""
    await tx.execute(sa.insert(task_groups), group)


async def count_down_groups(tx: Tx, finished: Mapping[UUID, tuple[int, Sequence[int]]]) -> list[Group]:
    """Take finished tasks off their groups: how many, and which of them failed; removes and returns complete groups."""
    statement = sa.select(*(_groups[name] for name in Group._fields)).where(_groups.group_id.in_(sorted(finished)))
    groups = []
    for group in await fetch_as(tx, Group, statement.order_by(_groups.group_id).with_for_update()):
        count, failed = finished[group.group_id]
        groups.append(group._replace(remaining=group.remaining - count, failed=[*group.failed, *failed]))
    complete = [group for group in groups if group.remaining <= 0]
    going_on = [group for group in groups if group.remaining > 0]
    if complete:
        await tx.execute(sa.delete(task_groups).where(_groups.group_id.in_([group.group_id for group in complete])))
    if going_on:
        await tx.execute(
            sa.update(task_groups)
            .where(_groups.group_id == sa.bindparam("group"))
            .values(remaining=sa.bindparam("left"), failed=sa.bindparam("broken")),
            [{"group": group.group_id, "left": group.remaining, "broken": group.failed} for group in going_on],
        )
    return complete


async def delete_old(tx: Tx, *, log_before: datetime, letters_before: datetime) -> None:
    """Forget the engine's records of single tasks, and dead letters that nobody cared for."""
    await _PRUNE_LOG.run(tx, before=log_before)
    await _PRUNE_STATISTICS.run(tx, before=log_before)
    await tx.execute(sa.delete(task_dead_letters).where(_letters.died_at < letters_before))
