"""Enqueue background work inside the transaction that causes it."""

from collections.abc import Sequence
from datetime import timedelta

from pgqueuer.adapters.persistence.queries import Queries

from weyl.kit import json
from weyl.kit.db import Tx, driver_connection
from weyl.tasks.models import Task


async def enqueue(
    tx: Tx,
    task: Task,
    payloads: Sequence[object] = (None,),
    *,
    delay: timedelta | None = None,
    keys: Sequence[str] | None = None,
) -> None:
    """Enqueue one task a payload; they exist if and only if `tx` commits.

    With `keys`, a task whose key is already waiting or running is left out.
    """
    entries = [(task.name, payload) for payload in payloads]
    await _insert(tx, entries, delay=delay, keys=keys)


async def enqueue_scheduled(tx: Tx, tasks: Sequence[Task]) -> None:
    """Enqueue one run of each of these tasks, unless one is waiting or running already."""
    await _insert(
        tx, [(task.name, None) for task in tasks], delay=None, keys=[f"schedule:{task.name}" for task in tasks]
    )


async def _insert(
    tx: Tx, entries: Sequence[tuple[str, object]], *, delay: timedelta | None, keys: Sequence[str] | None
) -> None:
    if not entries:
        return
    queries = Queries.from_asyncpg_connection(await driver_connection(tx))
    await queries.enqueue(
        [name for name, _ in entries],
        [json.dumps(payload) for _, payload in entries],
        [0] * len(entries),
        execute_after=[delay] * len(entries),
        dedupe_key=list(keys) if keys is not None else None,
        on_conflict="skip",
    )
