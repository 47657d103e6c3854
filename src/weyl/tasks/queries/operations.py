"""SQL of operations: ordered, taken up batch by batch, shown, cancelled and forgotten."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from weyl.kit.db import Timestamp, Tx
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
# Arrays count from one; of the items, those that the batches have not come to yet.
_LOCK = sa.text(
    "SELECT operation_id, kind, vo, subject, created_by, state, arguments, last_item, done, failed, errors,"
    " items IS NOT NULL AS is_named, items[done + failed + 1 : done + failed + :size] AS items"
    " FROM operations WHERE operation_id = :operation_id FOR NO KEY UPDATE"
).columns(arguments=JSONB, errors=JSONB, items=ARRAY(sa.BigInteger))
_ADVANCE = sa.text(
    "UPDATE operations SET state = 'running', done = done + :done, failed = failed + :failed, errors = :errors,"
    " last_item = :last_item, detail = NULL, ended_at = NULL WHERE operation_id = :operation_id"
).bindparams(sa.bindparam("errors", type_=JSONB))
# A filter may find fewer than when it was planned: what is reported at the end adds up.
_END = sa.text(
    "UPDATE operations SET state = 'done', total = done + failed, items = NULL, ended_at = :now"
    " WHERE operation_id = :operation_id"
).bindparams(sa.bindparam("now", type_=Timestamp))
_CANCEL = sa.text(
    "UPDATE operations SET state = 'cancelled', detail = :detail, items = NULL, ended_at = :now"
    " WHERE operation_id = :operation_id"
).bindparams(sa.bindparam("now", type_=Timestamp))
_DEAD = (
    "FROM task_dead_letters AS letter WHERE operations.ended_at IS NULL"
    " AND letter.payload ->> 'operation_id' = operations.operation_id::text"
)
_HAS_DEAD = sa.text(f"SELECT EXISTS (SELECT FROM operations WHERE EXISTS (SELECT {_DEAD}))")
_FAIL_DEAD = sa.text(
    "UPDATE operations SET state = 'failed', ended_at = :now,"
    f" detail = 'It could not go on: ' || letter.error || ' (dead letter ' || letter.id || ')' {_DEAD}"
).bindparams(sa.bindparam("now", type_=Timestamp))


async def insert_operation(tx: Tx, row: Mapping[str, Any]) -> None:
    """Store an operation; one that was ordered before with the same id stays as it is."""
    await tx.execute(insert(operations).values(**row).on_conflict_do_nothing())


async def count_live(tx: Tx, *, vo: str, subject: str) -> int:
    """Count the operations of a user that have not ended."""
    statement = sa.select(sa.func.count()).where(_o.vo == vo, _o.subject == subject, _o.ended_at.is_(None))
    return int((await tx.execute(statement)).scalar_one())


async def select_operations(tx: Tx, viewer: OperationViewer, *, everybody: bool, limit: int) -> list[dict[str, Any]]:
    """Return operations, the newest first: those of the viewer, or all that the viewer may see."""
    seen = _may_see(viewer) if everybody else _is_of(viewer)
    statement = sa.select(*_SHOWN).where(seen).order_by(_o.created_at.desc(), _o.operation_id.desc()).limit(limit)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def select_operation(tx: Tx, viewer: OperationViewer, operation_id: UUID) -> dict[str, Any] | None:
    """Return one operation, if the viewer may see it."""
    statement = sa.select(*_SHOWN).where(_o.operation_id == operation_id, _may_see(viewer))
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else dict(row)


async def select_moving(tx: Tx, *, ended_after: datetime) -> list[dict[str, Any]]:
    """Return how far the operations of all VOs are that are under way, or have ended since a time."""
    statement = sa.select(
        sa.cast(_o.operation_id, sa.Text).label("operation_id"),
        *(_o.vo, _o.subject, _o.state, (_o.done + _o.failed).label("behind")),
    ).where(sa.or_(_o.ended_at.is_(None), _o.ended_at > ended_after))
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def lock_visible(tx: Tx, viewer: OperationViewer, operation_id: UUID) -> dict[str, Any] | None:
    """Return one operation, if the viewer may see it; waits for the batch that is under way, and keeps out the next."""
    statement = sa.select(*_SHOWN).where(_o.operation_id == operation_id, _may_see(viewer))
    row = (await tx.execute(statement.with_for_update(key_share=True))).mappings().one_or_none()
    return None if row is None else dict(row)


def _is_of(viewer: OperationViewer) -> sa.ColumnElement[bool]:
    return sa.and_(_o.vo == viewer.vo, _o.subject == viewer.subject)


def _may_see(viewer: OperationViewer) -> sa.ColumnElement[bool]:
    held = sa.literal(sorted(viewer.properties), ARRAY(sa.Text))
    return sa.and_(_o.vo == viewer.vo, sa.or_(_o.subject == viewer.subject, _o.administrators.overlap(held)))


async def lock_operation(tx: Tx, operation_id: UUID, *, size: int) -> dict[str, Any] | None:
    """Lock an operation for its next batch, and return it with the next of the items that were named."""
    rows = await tx.execute(_LOCK, {"operation_id": operation_id, "size": size})
    row = rows.mappings().one_or_none()
    return None if row is None else dict(row)


async def advance(
    tx: Tx, operation_id: UUID, *, done: int, failed: int, errors: Sequence[Mapping[str, Any]], last_item: int
) -> None:
    """Note what a batch has done, in its transaction."""
    values = {"done": done, "failed": failed, "errors": list(errors), "last_item": last_item}
    await tx.execute(_ADVANCE, {"operation_id": operation_id, **values})


async def end(tx: Tx, operation_id: UUID, now: datetime) -> None:
    """Note that everything was done that there was to do."""
    await tx.execute(_END, {"operation_id": operation_id, "now": now})


async def cancel(tx: Tx, operation_id: UUID, *, detail: str, now: datetime) -> None:
    """Let no further batch of a locked operation begin."""
    await tx.execute(_CANCEL, {"operation_id": operation_id, "detail": detail, "now": now})


async def has_dead(tx: Tx) -> bool:
    """Tell whether the task of an operation failed for good."""
    return bool(await tx.scalar(_HAS_DEAD))


async def fail_dead(tx: Tx, now: datetime) -> None:
    """Note of operations whose task failed for good that, and why, they do not go on."""
    await tx.execute(_FAIL_DEAD, {"now": now})


async def delete_ended(tx: Tx, *, before: datetime) -> None:
    """Forget operations that ended before a time."""
    await tx.execute(sa.delete(operations).where(_o.ended_at < before))
