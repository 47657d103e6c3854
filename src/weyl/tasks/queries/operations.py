"""SQL of operations: ordered, taken up batch by batch, shown, cancelled and forgotten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql, fetch_as, first_as
from weyl.tasks.permits import OperationViewer
from weyl.tasks.tables import operations

_o = operations.c
_SEEN = sa.cast(_o.done + _o.failed, sa.Double)
# A filter may find more than when it was planned, or nothing at all.
_PROGRESS = sa.case(
    (_o.state == "done", 100.0),
    else_=sa.func.coalesce(sa.func.least(100.0 * _SEEN / sa.func.nullif(_o.total, 0), 100.0), 0.0),
)
_SHOWN = (
    sa.cast(_o.operation_id, sa.Text).label("operation_id"),
    *(_o[name] for name in ("kind", "state", "done", "failed", "total", "errors", "detail")),
    _PROGRESS.label("progress"),
    *(_o.created_by, _o.created_at.label("created"), _o.starts_at, _o.ended_at),
)


class Shown(TypedDict):
    """An operation as it goes over the wire."""

    operation_id: str
    kind: str
    state: str
    done: int
    failed: int
    total: int
    errors: list[Document]
    detail: str | None
    progress: float
    created_by: str
    created: datetime
    starts_at: datetime
    ended_at: datetime | None


class Moving(NamedTuple):
    """How far an operation has come; `behind` is what is done or failed."""

    operation_id: str
    vo: str
    subject: str
    state: str
    behind: int


class Locked(NamedTuple):
    """An operation that is locked for its next batch; `items` are the next of those that were named."""

    operation_id: UUID
    kind: str
    vo: str
    subject: str
    state: str
    created_by: str
    arguments: Any
    last_item: int
    errors: list[Document]
    is_named: bool
    items: list[int] | None


_LOCK = Sql(
    """
    SELECT operation_id, kind, vo, subject, state, created_by, arguments, last_item, errors,
      items IS NOT NULL AS is_named,
      -- arrays count from one; of the items, those that the batches have not come to yet
      items[done + failed + 1 : done + failed + :size] AS items
    FROM operations WHERE operation_id = :operation_id FOR NO KEY UPDATE
    """,
    Locked,
)
_ADVANCE = Sql(
    """
    UPDATE operations SET state = 'running', done = done + :done, failed = failed + :failed, errors = :errors,
      last_item = :last_item, detail = NULL, ended_at = NULL
    WHERE operation_id = :operation_id
    """
)
_END = Sql(
    """
    -- a filter may find fewer than when it was planned: what is reported at the end adds up
    UPDATE operations SET state = 'done', total = done + failed, items = NULL, ended_at = :now
    WHERE operation_id = :operation_id
    """
)
_CANCEL = Sql(
    """
    UPDATE operations SET state = 'cancelled', detail = :detail, items = NULL, ended_at = :now
    WHERE operation_id = :operation_id
    """
)
_DEAD = """
    FROM task_dead_letters AS letter
    WHERE operations.ended_at IS NULL AND letter.payload ->> 'operation_id' = operations.operation_id::text
"""
_HAS_DEAD = Sql(f"SELECT EXISTS (SELECT FROM operations WHERE EXISTS (SELECT {_DEAD}))", bool)
_FAIL_DEAD = Sql(
    f"""
    UPDATE operations SET state = 'failed', ended_at = :now,
      detail = 'It could not go on: ' || letter.error || ' (dead letter ' || letter.id || ')'
    {_DEAD}
    """
)


async def insert_operation(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store an operation; one that was ordered before with the same id stays as it is."""
    await tx.execute(insert(operations).values(**row).on_conflict_do_nothing())


async def count_live(tx: Tx, *, vo: str, subject: str) -> int:
    """Count the operations of a user that have not ended."""
    statement = sa.select(sa.func.count()).where(_o.vo == vo, _o.subject == subject, _o.ended_at.is_(None))
    return int((await tx.execute(statement)).scalar_one())


async def select_operations(tx: Tx, viewer: OperationViewer, *, everybody: bool, limit: int) -> list[Shown]:
    """Return operations, the newest first: those of the viewer, or all that the viewer may see."""
    seen = _may_see(viewer) if everybody else _is_of(viewer)
    statement = sa.select(*_SHOWN).where(seen).order_by(_o.created_at.desc(), _o.operation_id.desc()).limit(limit)
    return await fetch_as(tx, Shown, statement)


async def select_operation(tx: Tx, viewer: OperationViewer, operation_id: UUID) -> Shown | None:
    """Return one operation, if the viewer may see it."""
    statement = sa.select(*_SHOWN).where(_o.operation_id == operation_id, _may_see(viewer))
    return await first_as(tx, Shown, statement)


async def select_moving(tx: Tx, *, ended_after: datetime) -> list[Moving]:
    """Return how far the operations of all VOs are that are under way, or have ended since a time."""
    statement = sa.select(
        sa.cast(_o.operation_id, sa.Text).label("operation_id"),
        *(_o.vo, _o.subject, _o.state, (_o.done + _o.failed).label("behind")),
    ).where(sa.or_(_o.ended_at.is_(None), _o.ended_at > ended_after))
    return await fetch_as(tx, Moving, statement)


async def lock_visible(tx: Tx, viewer: OperationViewer, operation_id: UUID) -> Shown | None:
    """Return one operation, if the viewer may see it; waits for the batch that is under way, and keeps out the next."""
    statement = sa.select(*_SHOWN).where(_o.operation_id == operation_id, _may_see(viewer))
    return await first_as(tx, Shown, statement.with_for_update(key_share=True))


def _is_of(viewer: OperationViewer) -> sa.ColumnElement[bool]:
    return sa.and_(_o.vo == viewer.vo, _o.subject == viewer.subject)


def _may_see(viewer: OperationViewer) -> sa.ColumnElement[bool]:
    held = sa.literal(sorted(viewer.properties), ARRAY(sa.Text))
    return sa.and_(_o.vo == viewer.vo, sa.or_(_o.subject == viewer.subject, _o.administrators.overlap(held)))


async def lock_operation(tx: Tx, operation_id: UUID, *, size: int) -> Locked | None:
    """Lock an operation for its next batch, and return it with the next of the items that were named."""
    return await _LOCK.first(tx, operation_id=operation_id, size=size)


async def advance(
    tx: Tx, operation_id: UUID, *, done: int, failed: int, errors: Sequence[Document], last_item: int
) -> None:
    """Note what a batch has done, in its transaction."""
    values = {"done": done, "failed": failed, "errors": json.dumps_text(list(errors)), "last_item": last_item}
    await _ADVANCE.run(tx, operation_id=operation_id, **values)


async def end(tx: Tx, operation_id: UUID, now: datetime) -> None:
    """Note that everything was done that there was to do."""
    await _END.run(tx, operation_id=operation_id, now=now)


async def cancel(tx: Tx, operation_id: UUID, *, detail: str, now: datetime) -> None:
    """Let no further batch of a locked operation begin."""
    await _CANCEL.run(tx, operation_id=operation_id, detail=detail, now=now)


async def has_dead(tx: Tx) -> bool:
    """Tell whether the task of an operation failed for good."""
    return await _HAS_DEAD.one(tx)


async def fail_dead(tx: Tx, now: datetime) -> None:
    """Note of operations whose task failed for good that, and why, they do not go on."""
    await _FAIL_DEAD.run(tx, now=now)


async def delete_ended(tx: Tx, *, before: datetime) -> None:
    """Forget operations that ended before a time."""
    await tx.execute(sa.delete(operations).where(_o.ended_at < before))
