"""SQL of effective values: own values of directories, the distinct sets of them, and which directory has which."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weyl.file_catalog.sets import Placed
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql


class _Row(NamedTuple):
    dir_id: int
    vo_id: int
    lineage: list[int]
    own: Document | None


# A directory and what lies below it is one range of the index of paths, but for names as `/a-b` beside `/a`: `0` is the
# character behind `/`.
_TREE = "b.path >= t.path AND b.path < t.path || '0' AND (b.path = t.path OR b.path > t.path || '/')"
_COUNT = Sql(
    f"""
    SELECT (SELECT count(*) FROM (
      SELECT FROM directories t JOIN directories b ON {_TREE} WHERE t.dir_id = ANY(:dir_ids::bigint[]) LIMIT :most
    ) tree)
    """,
    int,
)
_LOCK = Sql(
    f"""
    -- who makes a directory holds the one above it FOR SHARE, and has copied its set
    SELECT count(*) FROM (
      SELECT b.dir_id FROM directories t JOIN directories b ON {_TREE} WHERE t.dir_id = ANY(:dir_ids::bigint[])
      ORDER BY b.dir_id FOR UPDATE OF b
    ) held
    """,
    int,
)
_ABOVE = """
      SELECT DISTINCT a.dir_id, a.vo_id, a.lineage
      FROM directories t CROSS JOIN unnest(t.lineage) AS l (dir_id)
      CROSS JOIN LATERAL (SELECT a.dir_id, a.vo_id, a.lineage FROM directories a WHERE a.dir_id = l.dir_id OFFSET 0) a
      WHERE t.dir_id = ANY(:dir_ids::bigint[])
"""
_BELOW = f"""
      SELECT b.dir_id, b.vo_id, b.lineage FROM directories t JOIN directories b ON {_TREE}
      WHERE t.dir_id = ANY(:dir_ids::bigint[])
"""


def _placed(meant: str) -> Sql[_Row]:
    """Return the statement for directories, and all of `meant` with own values."""
    return Sql(
        f"""
        WITH meant AS ({meant})
        SELECT m.dir_id, m.vo_id, m.lineage, own.own
        FROM meant m CROSS JOIN LATERAL (
          SELECT jsonb_object_agg(v.field_id, v.value) AS own FROM directory_metadata v WHERE v.dir_id = m.dir_id
        ) own
        WHERE own.own IS NOT NULL OR m.dir_id = ANY(:dir_ids::bigint[])
        """,
        _Row,
    )


_PLACED = _placed(f"{_ABOVE} UNION {_BELOW}")
_PLACED_ALONE = _placed(_ABOVE)
_SETS = Sql(
    """
    WITH wanted AS (
      SELECT * FROM unnest(:vo_ids::bigint[], :hashes::bytea[], :docs::jsonb[]) AS w (vo_id, hash, doc)
    ), made AS (
      INSERT INTO metadata_sets (vo_id, hash, doc)
      SELECT vo_id, hash, doc FROM wanted w
      WHERE NOT EXISTS (SELECT FROM metadata_sets s WHERE s.vo_id = w.vo_id AND s.hash = w.hash)
      ORDER BY vo_id, hash
      -- an update of nothing: somebody else may have made the set in this moment
      ON CONFLICT (vo_id, hash) DO UPDATE SET hash = excluded.hash RETURNING vo_id, hash, metadata_set_id
    )
    SELECT vo_id, hash, metadata_set_id FROM made
    UNION
    SELECT s.vo_id, s.hash, s.metadata_set_id FROM metadata_sets s JOIN wanted USING (vo_id, hash)
    """,
    tuple[int, bytes, int],
)
# Each directory has the set of the nearest one at or above it that is a point.
_CHANGES = Sql(
    f"""
    WITH points AS MATERIALIZED (
      SELECT * FROM unnest(:dir_ids::bigint[], :set_ids::bigint[]) AS p (dir_id, set_id)
    ), meant AS (
      SELECT DISTINCT b.dir_id, b.lineage, b.metadata_set_id FROM directories t JOIN directories b ON {_TREE}
      WHERE t.dir_id = ANY(:top_ids::bigint[])
    ), nearest AS (
      SELECT DISTINCT ON (m.dir_id) m.dir_id, m.metadata_set_id, p.set_id
      FROM meant m CROSS JOIN unnest(m.lineage) WITH ORDINALITY AS l (dir_id, place)
      JOIN points p ON p.dir_id = l.dir_id ORDER BY m.dir_id, l.place DESC
    )
    SELECT dir_id, set_id FROM nearest WHERE metadata_set_id IS DISTINCT FROM set_id ORDER BY dir_id
    """,
    tuple[int, int | None],
)
_POINT = Sql(
    """
    UPDATE directories d SET metadata_set_id = p.set_id
    FROM unnest(:dir_ids::bigint[], :set_ids::bigint[]) AS p (dir_id, set_id)
    WHERE d.dir_id = p.dir_id AND d.metadata_set_id IS DISTINCT FROM p.set_id
    """
)
_NEXT = Sql(
    f"""
    SELECT b.dir_id FROM directories t JOIN directories b ON {_TREE}
    WHERE t.dir_id = ANY(:dir_ids::bigint[]) AND b.dir_id > :after ORDER BY b.dir_id LIMIT :size FOR UPDATE OF b
    """,
    int,
)
_HOLD = Sql("SELECT pg_advisory_xact_lock(hashtextextended('file_catalog.sets', :vo_id::bigint))")
_OWN = Sql(
    """
    WITH given AS (
      SELECT * FROM unnest(:dir_ids::bigint[], :field_ids::bigint[], :values::jsonb[]) AS g (dir_id, field_id, value)
    ), declared AS (
      SELECT f.field_id FROM metadata_fields f WHERE f.field_id IN (SELECT field_id FROM given) FOR KEY SHARE OF f
    ), gone AS (
      DELETE FROM directory_metadata m USING given g
      WHERE g.value IS NULL AND m.dir_id = g.dir_id AND m.field_id = g.field_id
    )
    INSERT INTO directory_metadata (dir_id, field_id, value)
    SELECT dir_id, field_id, value FROM given JOIN declared USING (field_id) WHERE value IS NOT NULL
    ON CONFLICT (dir_id, field_id) DO UPDATE SET value = excluded.value
    """
)


async def hold_sets(tx: Tx, vo_id: int) -> None:
    """Wait until nobody else moves directories of a VO or sets values of them."""
    await _HOLD.run(tx, vo_id=vo_id)


async def count_tree(tx: Tx, dir_ids: Sequence[int], *, most: int) -> int:
    """Count directories with all that lies below them, up to a number."""
    return await _COUNT.one(tx, dir_ids=list(dir_ids), most=most)


async def lock_tree(tx: Tx, dir_ids: Sequence[int]) -> int:
    """Lock directories and all below them, so that nobody makes another one there; returns how many."""
    return await _LOCK.one(tx, dir_ids=list(dir_ids))


async def lock_next(tx: Tx, dir_ids: Sequence[int], *, after: int, size: int) -> list[int]:
    """Lock the next directories at or below some, by their ids."""
    return await _NEXT.rows(tx, dir_ids=list(dir_ids), after=after, size=size)


async def select_placed(tx: Tx, dir_ids: Sequence[int], *, is_tree: bool) -> list[Placed]:
    """Return directories, and those with own values above them and, if `is_tree`, below."""
    rows = await (_PLACED if is_tree else _PLACED_ALONE).rows(tx, dir_ids=list(dir_ids))
    return [
        Placed(row.dir_id, row.vo_id, row.lineage, {int(name): value for name, value in (row.own or {}).items()})
        for row in rows
    ]


async def keep_sets(tx: Tx, sets: Mapping[tuple[int, bytes], str]) -> dict[tuple[int, bytes], int]:
    """Return the ids of sets, by VO and hash; those that are new are made of their documents."""
    rows = await _SETS.rows(
        tx, vo_ids=[vo_id for vo_id, _ in sets], hashes=[name for _, name in sets], docs=list(sets.values())
    )
    return {(vo_id, name): set_id for vo_id, name, set_id in rows}


async def select_changes(tx: Tx, top_ids: Sequence[int], points: Mapping[int, int | None]) -> dict[int, int | None]:
    """Return the directories, at and below some, that must have another set: that of the nearest point."""
    rows = await _CHANGES.rows(tx, top_ids=list(top_ids), dir_ids=list(points), set_ids=list(points.values()))
    return dict(rows)


async def point(tx: Tx, sets: Mapping[int, int | None]) -> int:
    """Give each of some directories its set; returns how many have another one now."""
    return await _POINT.run(tx, dir_ids=list(sets), set_ids=list(sets.values()))


async def set_own(tx: Tx, values: Sequence[tuple[int, int, str | None]]) -> None:
    """Set own values of directories, as directory, field and JSON text; none takes a value away."""
    dir_ids, field_ids, texts = ([row[place] for row in values] for place in range(3))
    await _OWN.run(tx, dir_ids=dir_ids, field_ids=field_ids, values=texts)
