"""SQL that brings values of files to the table of indexed ones, or back to documents, or away, some files at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from weyl.file_catalog.fields import INDEXED_TEXT_BYTES_MAX, FieldType
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

HOMES: Mapping[str, FieldType] = {kind.value: kind for kind in FieldType}
_TABLES: Mapping[FieldType, str] = {
    FieldType.INT: "file_metadata_int",
    FieldType.BOOL: "file_metadata_int",
    FieldType.FLOAT: "file_metadata_float",
    FieldType.TEXT: "file_metadata_text",
    FieldType.DATE: "file_metadata_time",
    FieldType.TIME: "file_metadata_time",
}
_FROM_JSON: Mapping[FieldType, str] = {
    FieldType.INT: "text::bigint",
    FieldType.BOOL: "text::boolean::int",
    FieldType.FLOAT: "text::float8",
    FieldType.TEXT: "text",
    FieldType.DATE: "text::timestamptz",
    FieldType.TIME: "text::timestamptz",
}
_TO_JSON: Mapping[FieldType, str] = {
    FieldType.INT: "to_jsonb(value)",
    FieldType.BOOL: "to_jsonb(value <> 0)",
    FieldType.FLOAT: "to_jsonb(value)",
    FieldType.TEXT: "to_jsonb(value)",
    FieldType.DATE: "to_jsonb(to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD'))",
    FieldType.TIME: "to_jsonb(replace(to_jsonb(value) #>> '{}', '+00:00', 'Z'))",
}


class _Counts(NamedTuple):
    looked: int
    last: int | None
    moved: int
    left: int


@dataclass(frozen=True, slots=True)
class Filled:
    """How many values a batch has moved, and where the next one begins; `is_left` if some could not be moved so far."""

    count: int
    last: int | None
    is_left: bool = False


_EXPECTED = Sql(
    "SELECT CAST(greatest(reltuples, 0) AS bigint) FROM pg_class WHERE oid = 'file_metadata_doc'::regclass", int
)
_HOLD = Sql(
    """
    SELECT EXISTS (
      SELECT FROM (SELECT is_indexed FROM metadata_fields WHERE field_id = :field_id FOR KEY SHARE) f
      WHERE f.is_indexed = :is_indexed
    )
    """,
    bool,
)
_FINISH = Sql("UPDATE metadata_fields SET is_filled = true WHERE field_id = :field_id")
# A value that is in the table already was written later.
_FILL = {
    kind: Sql(
        f"""
        WITH looked AS MATERIALIZED (
          SELECT file_id, doc ->> CAST(:field_id AS bigint)::text AS text FROM file_metadata_doc
          WHERE file_id > :after ORDER BY file_id LIMIT :size FOR UPDATE
        ), moved AS MATERIALIZED (
          SELECT file_id, text FROM looked WHERE text IS NOT NULL AND octet_length(text) <= {INDEXED_TEXT_BYTES_MAX}
        ), put AS (
          INSERT INTO {_TABLES[kind]} (file_id, field_id, value)
          SELECT file_id, :field_id, {_FROM_JSON[kind]} FROM moved ON CONFLICT (file_id, field_id) DO NOTHING
        ), cut AS (
          UPDATE file_metadata_doc d SET doc = d.doc - CAST(:field_id AS bigint)::text
          WHERE d.file_id = ANY(ARRAY(SELECT file_id FROM moved))
        )
        SELECT (SELECT count(*) FROM looked) AS looked, (SELECT max(file_id) FROM looked) AS last,
          (SELECT count(*) FROM moved) AS moved,
          (SELECT count(*) FROM looked WHERE octet_length(text) > {INDEXED_TEXT_BYTES_MAX}) AS left
        """,
        _Counts,
    )
    for kind in FieldType
}
_EMPTY = {
    kind: Sql(
        f"""
        WITH looked AS MATERIALIZED (
          DELETE FROM {_TABLES[kind]} WHERE field_id = :field_id AND file_id = ANY(ARRAY(
            SELECT file_id FROM {_TABLES[kind]} WHERE field_id = :field_id ORDER BY field_id, value, file_id LIMIT :size
          )) RETURNING file_id, value
        ), put AS (
          INSERT INTO file_metadata_doc (file_id, doc)
          SELECT file_id, jsonb_build_object(CAST(:field_id AS bigint)::text, {_TO_JSON[kind]}) FROM looked
          ON CONFLICT (file_id) DO UPDATE SET doc = excluded.doc || file_metadata_doc.doc
        )
        SELECT count(*) AS looked, max(file_id) AS last, count(*) AS moved, CAST(0 AS bigint) AS left FROM looked
        """,
        _Counts,
    )
    for kind in FieldType
}
_SWEEP = {
    kind: Sql(
        f"""
        DELETE FROM {_TABLES[kind]} WHERE field_id = :field_id AND file_id = ANY(ARRAY(
          SELECT file_id FROM {_TABLES[kind]} WHERE field_id = :field_id ORDER BY field_id, value, file_id LIMIT :size
        ))
        """
    )
    for kind in FieldType
}
_SWEEP_DOCUMENTS = Sql(
    """
    WITH looked AS MATERIALIZED (
      SELECT file_id, doc ? CAST(:field_id AS bigint)::text AS has FROM file_metadata_doc
      WHERE file_id > :after ORDER BY file_id LIMIT :size FOR UPDATE
    ), cut AS (
      UPDATE file_metadata_doc d SET doc = d.doc - CAST(:field_id AS bigint)::text
      WHERE d.file_id = ANY(ARRAY(SELECT file_id FROM looked WHERE has))
    )
    SELECT count(*) AS looked, max(file_id) AS last, count(*) FILTER (WHERE has) AS moved, CAST(0 AS bigint) AS left
    FROM looked
    """,
    _Counts,
)


async def expected(tx: Tx) -> int:
    """Return about how many files have values that are not indexed."""
    return await _EXPECTED.one(tx)


async def hold(tx: Tx, field_id: int, *, is_indexed: bool) -> bool:
    """Tell whether a field is still meant to be indexed, or not to be; it stays so until the transaction ends."""
    return await _HOLD.one(tx, field_id=field_id, is_indexed=is_indexed)


async def finish(tx: Tx, field_id: int) -> None:
    """Note that all values of a field are where they belong."""
    await _FINISH.run(tx, field_id=field_id)


async def fill(tx: Tx, field_id: int, kind: FieldType, *, after: int, size: int) -> Filled:
    """Bring values of the next files to the table of indexed ones; texts that are too long for it stay.

    `after` and `last` are twice the id of a file, and one more once a text was too long.
    """
    counts = await _FILL[kind].one(tx, field_id=field_id, after=after // 2, size=size)
    is_left = bool(after % 2 or counts.left)
    if counts.last is None or counts.looked < size:
        return Filled(counts.moved, None, is_left)
    return Filled(counts.moved, 2 * counts.last + is_left, is_left)


async def empty(tx: Tx, field_id: int, kind: FieldType, *, after: int, size: int) -> Filled:
    """Bring some values back from the table of indexed ones; one that is in a document already was written later."""
    counts = await _EMPTY[kind].one(tx, field_id=field_id, size=size)
    return Filled(counts.moved, after + 1 if counts.looked == size else None)


async def sweep(tx: Tx, field_id: int, kind: FieldType, *, after: int, size: int) -> Filled:
    """Delete some values of a field that is gone: those of the table first, then those of documents.

    `after` and `last` are ids of files, less than 0 as long as the table has some.
    """
    if after <= 0:
        gone = await _SWEEP[kind].run(tx, field_id=field_id, size=size)
        if gone == size:
            return Filled(gone, 0)
        after = 0
    counts = await _SWEEP_DOCUMENTS.one(tx, field_id=field_id, after=after, size=size)
    return Filled(counts.moved, counts.last if counts.looked == size else None)
