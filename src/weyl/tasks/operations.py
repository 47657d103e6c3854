"""Orders about very many things: taken in a request, done by a worker in batches, each a transaction of its own.

A room hands down what does one batch. How far an operation has come is written in the transaction of the batch, so a
worker that dies in the middle loses nothing and does nothing twice.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.task import Run, RunHandler, Task
from weyl.tasks.errors import OperationEnded, OperationNotFound, RetryLater, TooManyOperations
from weyl.tasks.models import OperationStarted, OperationState
from weyl.tasks.permits import OperationViewer
from weyl.tasks.queries import operations as queries
from weyl.tasks.service import enqueue

BATCH = 1_000
# After so long an operation lets other tasks have its place; a worker that is told to stop waits no longer for it.
TURN_S = 5.0
LIVE_MAX = 20
"""Operations that one user may have under way."""
ERRORS_KEPT = 10
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, and for whom; `arguments` are whatever the room's handler needs, as JSON."""

    operation_id: UUID
    kind: str
    vo: str
    subject: str
    created_by: str
    arguments: Mapping[str, Any]
    total: int
    items: Sequence[int] | None = None
    """The ids of the things, in order; none where the arguments say how they are found."""
    administrators: frozenset[str] = frozenset()
    """Properties whose holders, in the same VO, may see and cancel it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch that is to be done: the next of the named things, or those that follow on `after`."""

    operation_id: UUID
    kind: str
    vo: str
    subject: str
    created_by: str
    arguments: Mapping[str, Any]
    items: Sequence[int] | None
    after: int
    size: int
    now: datetime


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch did; `last` is where the next begins, and none if nothing is left of what was to be found."""

    done: int
    failed: Mapping[int, str] = field(default_factory=dict)
    last: int | None = None


BatchHandler = Callable[[Tx, Batch], Awaitable[BatchOutcome]]
"""Does one batch in a transaction that is not its own to end. What it raises is tried again, as for any task."""


async def begin(tx: Tx, task: Task, order: Order, *, undo_s: float, now: datetime) -> OperationStarted:
    """Take an order, which a worker begins after `undo_s`; one that was taken before under the same id is that one."""
    viewer = OperationViewer(order.vo, order.subject, frozenset())
    before = await queries.select_operation(tx, viewer, order.operation_id)
    if before is not None:
        return OperationStarted(operation_id=order.operation_id, starts_at=before["starts_at"])
    if await queries.count_live(tx, vo=order.vo, subject=order.subject) >= LIVE_MAX:
        raise TooManyOperations(
            f"You have {LIVE_MAX} operations under way: wait until one has ended, or cancel one", retry_after_s=10
        )
    starts_at = now + timedelta(seconds=undo_s)
    row = {name: getattr(order, name) for name in _COLUMNS}
    await queries.insert_operation(
        tx,
        {
            **row,
            "items": None if order.items is None else sorted(set(order.items)),
            "administrators": sorted(order.administrators),
            "state": OperationState.WAITING,
            "created_at": now,
            "starts_at": starts_at,
        },
    )
    payload = {"operation_id": str(order.operation_id)}
    # Two requests with one id may have come at the same time: the key lets one task be.
    key = f"operation:{order.operation_id}"
    await enqueue(tx, task, [payload], delay=timedelta(seconds=undo_s), keys=[key], vo=order.vo)
    return OperationStarted(operation_id=order.operation_id, starts_at=starts_at)


_COLUMNS = ("operation_id", "kind", "vo", "subject", "created_by", "arguments", "total")


async def cancel(tx: Tx, viewer: OperationViewer, operation_id: UUID, now: datetime) -> queries.Shown:
    """Let an operation do no more, and return how far it came; one that was cancelled before stays so."""
    found = await queries.lock_visible(tx, viewer, operation_id)
    if found is None:
        raise OperationNotFound(f"There is no operation {operation_id}")
    if found["state"] == OperationState.CANCELLED:
        return found
    if found["ended_at"] is not None:
        raise OperationEnded(f"The operation has ended ({found['state']}); what it has done cannot be undone")
    detail = _cancelled(found)
    await queries.cancel(tx, operation_id, detail=detail, now=now)
    return {**found, "state": OperationState.CANCELLED, "detail": detail, "ended_at": now}


def _cancelled(found: queries.Shown) -> str:
    if found["state"] == OperationState.WAITING:
        return "Cancelled before it began: nothing was changed"
    seen = found["done"] + found["failed"]
    return f"Stopped after {seen:,} of {found['total']:,}; what was done stays done"


def in_batches(db: Database, handler: BatchHandler) -> RunHandler:
    """Return what a task does for an operation: batch after batch, for a while at a time."""

    async def run(payload: Any, _: Run) -> None:
        operation_id, began = UUID(payload["operation_id"]), time.monotonic()
        while await _do_batch(db, handler, operation_id):
            if time.monotonic() - began > TURN_S:
                raise RetryLater(0)

    return run


async def _do_batch(db: Database, handler: BatchHandler, operation_id: UUID) -> bool:
    """Do the next batch; tells whether there is more to do."""
    now = utcnow()
    async with db.transaction() as tx:
        row = await queries.lock_operation(tx, operation_id, size=BATCH)
        # One that failed may go on: its dead letter was replayed.
        if row is None or row.state in (OperationState.DONE, OperationState.CANCELLED):
            return False
        named = row.items if row.is_named else None
        outcome = BatchOutcome(0)
        if named is None or named:
            outcome = await handler(tx, _batch_of(row, named, now))
        errors = [{"id": each, "reason": reason} for each, reason in sorted(outcome.failed.items())]
        await queries.advance(
            tx,
            operation_id,
            done=outcome.done,
            failed=len(outcome.failed),
            errors=[*row.errors, *errors][:ERRORS_KEPT],
            last_item=row.last_item if outcome.last is None else outcome.last,
        )
        is_last = outcome.last is None if named is None else len(named) < BATCH
        if is_last:
            await queries.end(tx, operation_id, now)
        return not is_last


def _batch_of(row: queries.Locked, named: Sequence[int] | None, now: datetime) -> Batch:
    return Batch(
        operation_id=row.operation_id,
        kind=row.kind,
        vo=row.vo,
        subject=row.subject,
        created_by=row.created_by,
        arguments=row.arguments,
        items=named,
        after=row.last_item,
        size=BATCH,
        now=now,
    )
