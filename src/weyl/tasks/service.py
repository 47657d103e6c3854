"""Enqueue background work inside the transaction that causes it, alone or in groups, and look after what died."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pgqueuer.adapters.persistence.queries import Queries

from weyl.kit import json
from weyl.kit.db import Tx, driver_connection
from weyl.kit.ids import uuid7
from weyl.kit.search import FIRST_MAX, SearchParams
from weyl.kit.search_sql import pick
from weyl.kit.sql import WireRow
from weyl.kit.task import Task
from weyl.tasks.errors import DeadLetterNotFound, RunRefused, TaskNotFound
from weyl.tasks.models import RunOrder
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.queries import outcomes
from weyl.tasks.queries.schedules import select_kind
from weyl.tasks.schedule import Planned


async def enqueue(
    tx: Tx,
    task: Task,
    payloads: Sequence[object] = (None,),
    *,
    delay: timedelta | None = None,
    keys: Sequence[str] | None = None,
    vo: str | None = None,
) -> list[int | None]:
    """Enqueue one task a payload; they exist if and only if `tx` commits. Returns their ids.

    With `keys`, a task whose key is already waiting or running is left out (its id is none). `vo` names the VO that
    the work is for, whose limits then hold.
    """
    entries = [Entry(task.name, payload, task.priority, {"vo": vo} if vo else None) for payload in payloads]
    return await insert(tx, entries, delay=delay, keys=keys)


async def enqueue_group(
    tx: Tx, members: Sequence[tuple[Task, object]], *, then: Task, payload: object, now: datetime, vo: str | None = None
) -> UUID:
    """Enqueue tasks, and `then` when the last of them has ended; returns the id of the group.

    `then` gets `{"payload": ..., "total": n, "failed": [ids of dead letters]}`. A dead letter that is replayed later
    does not count again.
    """
    group_id = uuid7()
    if not members:
        await insert(tx, [Entry(then.name, follow_up_payload(payload, 0, []), then.priority, None)])
        return group_id
    group = {
        "group_id": group_id,
        "total": len(members),
        "remaining": len(members),
        "failed": [],
        "follow_up": then.name,
        "priority": then.priority,
        "payload": payload,
        "created_at": now,
    }
    await outcomes.insert_group(tx, group)
    headers = {"group": str(group_id), **({"vo": vo} if vo else {})}
    await insert(tx, [Entry(task.name, each, task.priority, headers) for task, each in members])
    return group_id


def follow_up_payload(payload: object, total: int, failed: Sequence[int]) -> dict[str, object]:
    """Return what the task gets that follows a group."""
    return {"payload": payload, "total": total, "failed": list(failed)}


async def cancel(tx: Tx, task_ids: Sequence[int]) -> int:
    """Remove tasks that have not begun; returns how many that were."""
    return await outcomes.delete_waiting(tx, task_ids)


async def enqueue_scheduled(tx: Tx, rows: Sequence[Planned], priorities: Mapping[str, int]) -> None:
    """Enqueue one run of each of these schedules, unless one is waiting or running already."""
    entries = [
        Entry(row.task, row.payload, priorities.get(row.task, 0), {"vo": row.vo} if row.vo else None) for row in rows
    ]
    await insert(tx, entries, keys=[f"schedule:{row.task}:{row.vo}" for row in rows])


async def run_by_hand(tx: Tx, keeper: TaskKeeper, name: str, order: RunOrder) -> int:
    """Enqueue one run of a declared task; returns its id."""
    kind = await select_kind(tx, name)
    if kind is None:
        raise TaskNotFound(f"No worker has declared a task {name!r}; `weyl tasks list` shows those that there are")
    payload = order.payload
    try:
        json.dumps([payload, order.vo])
    except TypeError as error:
        raise RunRefused(f"The payload cannot be kept: {error}") from error
    if kind.per_vo and payload is None:
        if order.vo is None:
            raise RunRefused(f"{name} runs for one VO at a time: name it")
        payload = {"vo": order.vo}
    headers = {"vo": order.vo} if order.vo else None
    (task_id,) = await insert(tx, [Entry(name, payload, kind.priority, headers)])
    assert task_id is not None
    return task_id


@dataclass(frozen=True, slots=True)
class Found:
    """One page of dead letters, and how many there are."""

    rows: list[WireRow]
    total: int


async def search_dead(tx: Tx, keeper: TaskKeeper, params: SearchParams, *, page: int, per_page: int) -> Found:
    """Find dead letters; a page behind the last one is asked for its number alone."""
    for name in params.parameters or ():
        pick(outcomes.COLUMNS, name)
    first = min((page - 1) * per_page, FIRST_MAX)
    rows = await outcomes.search_dead_letters(tx, keeper, params, first=first, limit=per_page)
    if not rows and first:
        before = await outcomes.search_dead_letters(tx, keeper, params, first=0, limit=1)
        return Found([], before[0]["total"] if before else 0)
    totals = [row.pop("total") for row in rows]
    return Found(rows, totals[0] if totals else 0)


async def replay(tx: Tx, keeper: TaskKeeper, letter_ids: Sequence[int]) -> list[int | None]:
    """Enqueue dead letters once more, with all their attempts before them; returns the new ids."""
    letters = await _bury(tx, letter_ids)
    return await insert(
        tx,
        [
            Entry(letter.task, letter.payload, letter.priority, {"vo": letter.vo} if letter.vo else None)
            for letter in letters
        ],
    )


async def discard(tx: Tx, keeper: TaskKeeper, letter_ids: Sequence[int]) -> None:
    """Remove dead letters for good."""
    await _bury(tx, letter_ids)


async def _bury(tx: Tx, letter_ids: Sequence[int]) -> list[outcomes.Buried]:
    letters = await outcomes.delete_dead_letters(tx, letter_ids)
    missing = sorted(set(letter_ids) - {letter.id for letter in letters})
    if missing:
        raise DeadLetterNotFound(f"There is no dead letter {', '.join(map(str, missing))}")
    return letters


class Entry:
    """One task on its way into the queue."""

    __slots__ = ("headers", "name", "payload", "priority")

    def __init__(self, name: str, payload: object, priority: int, headers: dict[str, str] | None) -> None:
        self.name = name
        self.payload = payload
        self.priority = priority
        self.headers = headers


async def insert(
    tx: Tx, entries: Sequence[Entry], *, delay: timedelta | None = None, keys: Sequence[str] | None = None
) -> list[int | None]:
    """Put tasks into the engine's queue, in the transaction of `tx`."""
    if not entries:
        return []
    queries = Queries.from_asyncpg_connection(await driver_connection(tx))
    ids = await queries.enqueue(
        [entry.name for entry in entries],
        [json.dumps(entry.payload) for entry in entries],
        [entry.priority for entry in entries],
        execute_after=[delay] * len(entries),
        dedupe_key=list(keys) if keys is not None else None,
        headers=[entry.headers for entry in entries],
        on_conflict="skip",
    )
    return [None if task_id is None else int(task_id) for task_id in ids]
