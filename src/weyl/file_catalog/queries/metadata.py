"""SQL of values: those of files, each at home in the table of its type or in a document, and what holds for a path."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql

# As JSON has them: true and false are kept as numbers, dates as times.
_AS_JSON = {
    "int": "CASE WHEN x.type = 'bool' THEN to_jsonb(m.value <> 0) ELSE to_jsonb(m.value) END",
    "float": "to_jsonb(m.value)",
    "text": "to_jsonb(m.value)",
    "time": """
      CASE WHEN x.type = 'date' THEN to_jsonb(to_char(m.value AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
        ELSE to_jsonb(replace(to_jsonb(m.value) #>> '{}', '+00:00', 'Z')) END
    """,
}
_INDEXED = "\n      UNION ALL\n".join(
    f"""
      SELECT x.name, {form} AS value, 1 AS place, NULL::text AS path, CASE WHEN x.is_indexed THEN 2 ELSE 1 END AS home
      FROM file_metadata_{kind} m JOIN metadata_fields x USING (field_id) WHERE m.file_id = f.file_id
    """
    for kind, form in _AS_JSON.items()
)
# While values are brought to the table of indexed ones, or back, a file may have one in both: the one at home counts.
_OWN_OF_FILE = f"""
      {_INDEXED}
      UNION ALL
      SELECT x.name, e.value, 1, NULL, CASE WHEN x.is_indexed THEN 1 ELSE 2 END
      FROM file_metadata_doc o CROSS JOIN jsonb_each(o.doc) e JOIN metadata_fields x ON x.field_id = e.key::bigint
      WHERE o.file_id = f.file_id
"""
_OF_DIRECTORIES = """
      SELECT x.name, v.value, CAST(0 AS integer) AS place, a.path, CAST(a.depth AS integer) AS home
      FROM directory_metadata v JOIN metadata_fields x USING (field_id)
      CROSS JOIN LATERAL (SELECT a.path, a.depth FROM directories a WHERE a.dir_id = v.dir_id OFFSET 0) a
      WHERE v.dir_id = ANY(d.lineage)
"""

METADATA_OF_FILE = f"""
    (SELECT jsonb_object_agg(n.name,
       jsonb_build_object('value', n.value, 'from', coalesce(n.path, d.path || '/' || f.name)))
     FROM (SELECT DISTINCT ON (u.name) u.* FROM (
      {_OWN_OF_FILE} UNION ALL {_OF_DIRECTORIES}
     ) u ORDER BY u.name, u.place DESC, u.home DESC) n)
"""
"""What holds for a file `f` in its directory `d`, as `{field: {value, from}}`, for statements that have these names."""

_METADATA_OF_DIRECTORY = f"""
    (SELECT jsonb_object_agg(n.name, jsonb_build_object('value', n.value, 'from', n.path))
     FROM (SELECT DISTINCT ON (u.name) u.* FROM ({_OF_DIRECTORIES}) u ORDER BY u.name, u.home DESC) n)
"""


class Shown(NamedTuple):
    """What holds for a file or a directory; nothing where there are no values."""

    path: str
    metadata: Document | None


# Fenced by OFFSET: whatever is known of the tables, each row is found by its key.
_OF_PATHS = Sql(
    f"""
    SELECT d.path AS path, {_METADATA_OF_DIRECTORY} AS metadata
    FROM unnest(:dir_ids::bigint[]) AS k (dir_id)
    CROSS JOIN LATERAL (SELECT path, lineage FROM directories d WHERE d.dir_id = k.dir_id OFFSET 0) d
    UNION ALL
    SELECT d.path || '/' || f.name, {METADATA_OF_FILE}
    FROM unnest(:file_ids::bigint[]) AS k (file_id)
    CROSS JOIN LATERAL (SELECT file_id, dir_id, name FROM files f WHERE f.file_id = k.file_id OFFSET 0) f
    CROSS JOIN LATERAL (SELECT path, lineage FROM directories d WHERE d.dir_id = f.dir_id OFFSET 0) d
    """,
    Shown,
)
# `home` of each value is read under the lock that a change of its field waits for.
_PUT = Sql(
    """
    WITH given AS MATERIALIZED (
      SELECT * FROM unnest(:file_ids::bigint[], :field_ids::bigint[], :values::text[]) AS g (file_id, field_id, value)
    ), declared AS MATERIALIZED (
      SELECT f.field_id, f.type, f.is_indexed FROM metadata_fields f
      WHERE f.field_id = ANY(:declared::bigint[]) ORDER BY f.field_id FOR KEY SHARE OF f
    ), put AS MATERIALIZED (
      -- texts of JSON: what is no text there is read as it stands
      SELECT g.file_id, g.field_id, g.value, d.type, d.is_indexed
      FROM given g JOIN declared d USING (field_id)
    ), ints AS (
      INSERT INTO file_metadata_int (file_id, field_id, value)
      SELECT file_id, field_id, CASE WHEN type = 'bool' THEN value::boolean::int ELSE value::bigint END
      FROM put WHERE is_indexed AND type IN ('int', 'bool') ORDER BY file_id, field_id
      ON CONFLICT (file_id, field_id) DO UPDATE SET value = excluded.value
    ), floats AS (
      INSERT INTO file_metadata_float (file_id, field_id, value)
      SELECT file_id, field_id, value::float8 FROM put WHERE is_indexed AND type = 'float' ORDER BY file_id, field_id
      ON CONFLICT (file_id, field_id) DO UPDATE SET value = excluded.value
    ), texts AS (
      INSERT INTO file_metadata_text (file_id, field_id, value)
      SELECT file_id, field_id, value::jsonb #>> '{}' FROM put WHERE is_indexed AND type = 'text'
      ORDER BY file_id, field_id
      ON CONFLICT (file_id, field_id) DO UPDATE SET value = excluded.value
    ), times AS (
      INSERT INTO file_metadata_time (file_id, field_id, value)
      SELECT file_id, field_id, (value::jsonb #>> '{}')::timestamptz FROM put
      WHERE is_indexed AND type IN ('date', 'time')
      ORDER BY file_id, field_id
      ON CONFLICT (file_id, field_id) DO UPDATE SET value = excluded.value
    )
    INSERT INTO file_metadata_doc (file_id, doc)
    SELECT file_id, jsonb_object_agg(field_id, value::jsonb) FROM put WHERE NOT is_indexed
    GROUP BY file_id ORDER BY file_id
    ON CONFLICT (file_id) DO UPDATE SET doc = file_metadata_doc.doc || excluded.doc
    """
)
# A value may be in both places while it is on its way.
_TAKE = Sql(
    """
    WITH given AS MATERIALIZED (
      SELECT * FROM unnest(:file_ids::bigint[], :field_ids::bigint[]) AS g (file_id, field_id)
    ), ints AS (
      DELETE FROM file_metadata_int m USING given g WHERE m.file_id = g.file_id AND m.field_id = g.field_id
    ), floats AS (
      DELETE FROM file_metadata_float m USING given g WHERE m.file_id = g.file_id AND m.field_id = g.field_id
    ), texts AS (
      DELETE FROM file_metadata_text m USING given g WHERE m.file_id = g.file_id AND m.field_id = g.field_id
    ), times AS (
      DELETE FROM file_metadata_time m USING given g WHERE m.file_id = g.file_id AND m.field_id = g.field_id
    )
    UPDATE file_metadata_doc o SET doc = o.doc - n.names
    FROM (SELECT file_id, array_agg(field_id::text) AS names FROM given GROUP BY file_id) n
    WHERE o.file_id = n.file_id
    """
)
_OUTBOX = Sql(
    """
    INSERT INTO registration_outbox (vo_id, kind, file_ids, at)
    VALUES (:vo_id, 'metadata', :file_ids, :now)
    """
)


async def select_shown(tx: Tx, *, dir_ids: Sequence[int], file_ids: Sequence[int]) -> dict[str, Document]:
    """Return what holds for directories and files by their paths: `{field: {value, from}}`."""
    rows = await _OF_PATHS.rows(tx, dir_ids=list(dir_ids), file_ids=list(file_ids))
    return {row.path: row.metadata or {} for row in rows}


async def put_values(tx: Tx, values: Sequence[tuple[int, int, str]]) -> None:
    """Set values of files, as file, field and JSON text; those of fields that are gone are left out."""
    file_ids, field_ids, texts = ([row[place] for row in values] for place in range(3))
    await _PUT.run(
        tx, file_ids=file_ids, field_ids=field_ids, values=texts, declared=sorted({row[1] for row in values})
    )


async def take_values(tx: Tx, values: Sequence[tuple[int, int]]) -> None:
    """Take values of files away, as file and field."""
    await _TAKE.run(tx, file_ids=[row[0] for row in values], field_ids=[row[1] for row in values])


async def insert_outbox(tx: Tx, vo_id: int, file_ids: Sequence[int], *, now: datetime) -> None:
    """Tell those who follow the catalogue that values of files have changed."""
    await _OUTBOX.run(tx, vo_id=vo_id, file_ids=sorted(file_ids), now=now)
