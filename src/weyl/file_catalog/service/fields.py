"""Declared fields: made, changed and dropped by those who own the data of a VO; values follow in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from weyl.file_catalog import fields
from weyl.file_catalog.errors import FieldExists, FieldInUse, FieldNotFound, WrongField
from weyl.file_catalog.fields import BadValue, DeclaredField, Value, as_type
from weyl.file_catalog.models.fields import FieldChange, FieldInfo, FieldOrder, Scalar
from weyl.file_catalog.permits import FieldKeeper
from weyl.file_catalog.queries import fields as queries
from weyl.file_catalog.queries import fills
from weyl.file_catalog.service.sets import SETTLE, settle_batch
from weyl.kit.db import Tx
from weyl.kit.ids import uuid7
from weyl.kit.task import Task
from weyl.tasks import operations
from weyl.tasks.operations import Batch, BatchOutcome, Order

METADATA = Task("file_catalog.metadata")
FILL, SWEEP = "files.fill_field", "files.sweep_field"
ADMINISTRATORS = frozenset({"FileCatalogManagement", "ProductionManagement"})
LOOKED_MAX = 10_000
"""Of files whose values are not indexed, when asked whether a field has any."""


@dataclass(frozen=True, slots=True)
class Background:
    """For whom an operation runs."""

    vo: str
    subject: str
    author: str
    now: datetime


def info_of(field: DeclaredField, *, operation_id: UUID | None = None) -> FieldInfo:
    """Return a field as the wire has it."""
    return FieldInfo(
        name=field.name,
        type=field.type,
        on=field.on,
        indexed=field.is_indexed,
        filled=field.is_filled,
        unit=field.unit,
        values=None if field.choices is None else list(field.choices),
        help=field.help,
        operation_id=None if operation_id is None else str(operation_id),
    )


async def declare(tx: Tx, keeper: FieldKeeper, order: FieldOrder, *, now: datetime) -> FieldInfo:
    """Declare a field; raises `FieldExists`, or `WrongField` if it makes no sense or there are too many."""
    field = DeclaredField(0, order.name, order.type, order.on, order.indexed, unit=order.unit, help=order.help)
    field = replace(field, choices=_choices(field, order.values))
    vo_id = await queries.keep_vo(tx, keeper.vo)
    made = await queries.insert_field(tx, vo_id, field, author=keeper.author, now=now, most=fields.FIELDS_MAX)
    if made is not None:
        return info_of(field)
    if order.name in await queries.select_fields(tx, keeper.vo):
        raise FieldExists(
            f"{keeper.vo} has a field {order.name} already: PATCH /api/files/fields/{order.name} changes it"
        )
    raise WrongField(f"A VO has at most {fields.FIELDS_MAX} fields: drop one first")


def _choices(field: DeclaredField, values: Sequence[Scalar] | None) -> tuple[Value, ...] | None:
    if values is None:
        return None
    try:
        return tuple(dict.fromkeys(as_type(field.type, value, name=field.name) for value in values))
    except BadValue as error:
        raise WrongField(f"`values`: {error}") from error


async def change(tx: Tx, keeper: FieldKeeper, name: str, asked: FieldChange, *, now: datetime) -> FieldInfo:
    """Change a field; values that files have already are brought to the index, or from it, by an operation."""
    field = await queries.lock_field(tx, keeper.vo, name)
    if field is None:
        raise await _missing(tx, keeper.vo, name)
    said = {key: getattr(asked, key) for key in asked.model_fields_set & {"unit", "help"}}
    if "values" in asked.model_fields_set:
        said["choices"] = _choices(field, asked.values)
    changed = replace(field, **said)
    if asked.indexed is None or (asked.indexed == field.is_indexed and field.is_filled):
        await queries.update_field(tx, changed)
        return info_of(changed)
    changed = replace(changed, is_indexed=asked.indexed, is_filled=not field.is_of_files)
    operation_id = None
    if field.is_of_files:
        operation_id = uuid7()
        background = Background(keeper.vo, keeper.subject, keeper.author, now)
        arguments = {"field_id": field.field_id, "type": field.type.value, "to_index": asked.indexed}
        await begin(tx, operation_id, FILL, arguments, background, total=await fills.expected(tx))
    await queries.update_field(tx, changed)
    return info_of(changed, operation_id=operation_id)


async def drop(tx: Tx, keeper: FieldKeeper, name: str, *, is_forced: bool, now: datetime) -> None:
    """Drop a field that nothing has a value of, or, if forced, with all its values."""
    field = await queries.lock_field(tx, keeper.vo, name)
    if field is None:
        raise await _missing(tx, keeper.vo, name)
    if not is_forced:
        used = await queries.is_used(tx, field.field_id, most=LOOKED_MAX)
        if used is not False:
            known = "has values" if used else "may have values: there are too many files to look at each"
            raise FieldInUse(f"{name} {known}; with `force` it is dropped with all of them")
    await queries.delete_field(tx, field.field_id)
    if is_forced and field.is_of_files:
        background = Background(keeper.vo, keeper.subject, keeper.author, now)
        arguments = {"field_id": field.field_id, "type": field.type.value}
        await begin(tx, uuid7(), SWEEP, arguments, background, total=await fills.expected(tx))


async def _missing(tx: Tx, vo: str, name: str) -> FieldNotFound:
    return FieldNotFound(fields.unknown(name, await queries.select_fields(tx, vo)))


async def begin(
    tx: Tx, operation_id: UUID, kind: str, arguments: Mapping[str, object], background: Background, *, total: int
) -> None:
    """Have a worker do what takes longer than a request."""
    order = Order(
        operation_id=operation_id,
        kind=kind,
        vo=background.vo,
        subject=background.subject,
        created_by=background.author,
        arguments=arguments,
        total=total,
        administrators=ADMINISTRATORS,
    )
    await operations.begin(tx, METADATA, order, undo_s=0, now=background.now)


async def do_batch(tx: Tx, batch: Batch) -> BatchOutcome:
    """Do one batch of what this room has a worker do with metadata."""
    if batch.kind == SETTLE:
        return await settle_batch(tx, batch)
    field_id, kind = batch.arguments["field_id"], fills.HOMES[batch.arguments["type"]]
    if batch.kind == SWEEP:
        done = await fills.sweep(tx, field_id, kind, after=batch.after, size=batch.size)
        return BatchOutcome(done.count, last=done.last)
    if not await fills.hold(tx, field_id, is_indexed=batch.arguments["to_index"]):
        return BatchOutcome(0)  # it was changed again, or dropped
    if batch.arguments["to_index"]:
        done = await fills.fill(tx, field_id, kind, after=batch.after, size=batch.size)
    else:
        done = await fills.empty(tx, field_id, kind, after=batch.after, size=batch.size)
    if done.last is None and not done.is_left:
        await fills.finish(tx, field_id)
    return BatchOutcome(done.count, last=done.last)
