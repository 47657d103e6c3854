"""SQL of declared fields: what a VO has declared, and whether anything has values."""

from datetime import datetime
from typing import Any, NamedTuple

from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class _Row(NamedTuple):
    field_id: int
    name: str
    type: str
    applies_to: str
    is_indexed: bool
    is_filled: bool
    unit: str | None
    choices: Any
    help: str | None


_COLUMNS = "field_id, name, type, applies_to, is_indexed, is_filled, unit, choices, help"
_FIELDS = Sql(
    f"""
    SELECT {_COLUMNS} FROM metadata_fields
    WHERE vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) ORDER BY name
    """,
    _Row,
)
_LOCKED = Sql(
    f"""
    SELECT {_COLUMNS} FROM metadata_fields
    -- who writes values of the field holds it FOR KEY SHARE: none of them is under way afterwards
    WHERE vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) AND name = :name FOR UPDATE
    """,
    _Row,
)
_INSERT = Sql(
    """
    INSERT INTO metadata_fields
      (vo_id, name, type, applies_to, is_indexed, is_filled, unit, choices, help, created_by, created_at)
    SELECT :vo_id, :name, :type, :applies_to, :is_indexed, true, :unit, :choices::jsonb, :help, :created_by, :now
    WHERE (SELECT count(*) FROM metadata_fields WHERE vo_id = :vo_id) < :most
    ON CONFLICT (vo_id, name) DO NOTHING RETURNING field_id
    """,
    int,
)
_UPDATE = Sql(
    """
    UPDATE metadata_fields
    SET is_indexed = :is_indexed, is_filled = :is_filled, unit = :unit, choices = :choices::jsonb, help = :help
    WHERE field_id = :field_id
    """
)
_DELETE = Sql(
    """
    WITH gone AS (DELETE FROM directory_metadata WHERE field_id = :field_id)
    DELETE FROM metadata_fields WHERE field_id = :field_id
    """
)
_ANY = " OR ".join(
    f"(SELECT true FROM file_metadata_{kind} WHERE field_id = :field_id ORDER BY field_id, value LIMIT 1) IS NOT NULL"
    for kind in ("int", "float", "text", "time")
)
# In the order of keys, so that no table is read for a row that it does not have. Files whose values are not indexed are
# not looked at one by one: more than `most` of them, and nobody knows.
_USED = Sql(
    f"""
    WITH looked AS MATERIALIZED (
      SELECT doc ? CAST(:field_id AS bigint)::text AS has FROM file_metadata_doc ORDER BY file_id LIMIT :most
    )
    SELECT EXISTS (SELECT FROM directory_metadata WHERE field_id = :field_id) OR {_ANY} AS is_used,
      (SELECT count(*) FROM looked) < :most AS is_known, EXISTS (SELECT FROM looked WHERE has) AS is_in_documents
    """,
    tuple[bool, bool, bool],
)
_VO = Sql(
    """
    INSERT INTO file_vos (name) VALUES (:vo)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING vo_id
    """,
    int,
)


def _field(row: _Row) -> DeclaredField:
    return DeclaredField(
        row.field_id,
        row.name,
        FieldType(row.type),
        AppliesTo(row.applies_to),
        row.is_indexed,
        row.is_filled,
        row.unit,
        None if row.choices is None else tuple(row.choices),
        row.help,
    )


async def select_fields(tx: Tx, vo: str) -> dict[str, DeclaredField]:
    """Return the fields of a VO by their names, in their order."""
    return {row.name: _field(row) for row in await _FIELDS.rows(tx, vo=vo)}


async def lock_field(tx: Tx, vo: str, name: str) -> DeclaredField | None:
    """Return a field that nobody writes values of until the transaction ends."""
    row = await _LOCKED.first(tx, vo=vo, name=name)
    return None if row is None else _field(row)


async def insert_field(
    tx: Tx, vo_id: int, field: DeclaredField, *, author: str, now: datetime, most: int
) -> int | None:
    """Declare a field; returns None if there is one of that name, or no room for one more."""
    return await _INSERT.first(
        tx,
        vo_id=vo_id,
        name=field.name,
        type=field.type.value,
        applies_to=field.on.value,
        is_indexed=field.is_indexed,
        unit=field.unit,
        choices=_choices(field),
        help=field.help,
        created_by=author,
        now=now,
        most=most,
    )


async def update_field(tx: Tx, field: DeclaredField) -> None:
    """Keep what has changed of a field."""
    await _UPDATE.run(
        tx,
        field_id=field.field_id,
        is_indexed=field.is_indexed,
        is_filled=field.is_filled,
        unit=field.unit,
        choices=_choices(field),
        help=field.help,
    )


async def delete_field(tx: Tx, field_id: int) -> None:
    """Drop a field with the values of directories; those of files are nobody's from then on."""
    await _DELETE.run(tx, field_id=field_id)


async def is_used(tx: Tx, field_id: int, *, most: int) -> bool | None:
    """Tell whether anything has a value of a field; None if there are too many files to know."""
    is_used, is_known, is_in_documents = await _USED.one(tx, field_id=field_id, most=most)
    if is_used or is_in_documents:
        return True
    return False if is_known else None


async def keep_vo(tx: Tx, vo: str) -> int:
    """Return the id of a VO, which it gets if it has none."""
    return await _VO.one(tx, vo=vo)


def _choices(field: DeclaredField) -> str | None:
    return None if field.choices is None else json.dumps_text(list(field.choices))
