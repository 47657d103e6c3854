"""SQL of moves: files get another directory and name, directories another path; nothing moves on storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from weyl.file_catalog.errors import CatalogueBusy
from weyl.file_catalog.queries.trash import NAME_TAKEN
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class FileMove(NamedTuple):
    """A file that moves, from where, and to which directory under which name; `stored` is its path by convention."""

    file_id: int
    old_dir: int
    old_name: str
    new_dir: int
    new_name: str
    stored: str


_MOVE_FILES = Sql(
    """
    WITH given AS MATERIALIZED (
      SELECT * FROM unnest(CAST(:file_ids AS bigint[]), CAST(:old_dirs AS bigint[]), CAST(:old_names AS text[]),
        CAST(:new_dirs AS bigint[]), CAST(:new_names AS text[]), CAST(:stored AS text[]))
        AS g (file_id, old_dir, old_name, new_dir, new_name, stored)
    ), held AS MATERIALIZED (
      SELECT f.file_id, g.new_dir, g.new_name, g.stored
      FROM files f JOIN given g USING (file_id)
      WHERE f.status = 'Good' AND f.dir_id = g.old_dir AND f.name = g.old_name
      ORDER BY f.file_id FOR UPDATE OF f
    ), moved AS (
      UPDATE files f SET dir_id = h.new_dir, name = h.new_name, modified_at = CAST(:now AS timestamptz)
      FROM held h WHERE f.file_id = h.file_id RETURNING f.file_id
    ), kept AS (
      UPDATE replicas r SET pfn = h.stored FROM held h WHERE r.file_id = h.file_id AND r.pfn IS NULL
    ), told AS (
      INSERT INTO registration_outbox (vo_id, kind, file_ids, at)
      SELECT CAST(:vo_id AS bigint), 'moved', array_agg(file_id), CAST(:now AS timestamptz)
      FROM moved HAVING count(*) > 0
    )
    SELECT file_id FROM moved
    """,
    int,
)


async def move_files(tx: Tx, vo_id: int, moves: Sequence[FileMove], *, now: datetime) -> list[int]:
    """Move files that are still where they were; returns them.

    Raises `CatalogueBusy`, and the transaction is lost, if somebody takes one of the new names at the same moment.
    """
    columns = list(zip(*moves, strict=True))
    names = ("file_ids", "old_dirs", "old_names", "new_dirs", "new_names", "stored")
    try:
        return await _MOVE_FILES.rows(
            tx, vo_id=vo_id, now=now, **{name: list(column) for name, column in zip(names, columns, strict=True)}
        )
    except asyncpg.UniqueViolationError as error:
        raise CatalogueBusy(NAME_TAKEN, retry_after_s=1) from error


class Below(NamedTuple):
    """A directory of a tree that moves, or one that something moves to."""

    dir_id: int
    path: str


_COUNT = Sql(
    """
    SELECT count(*) FROM (
      SELECT 1 FROM unnest(CAST(:paths AS text[])) AS top (path)
        JOIN directories d ON d.path > top.path || '/' AND d.path < top.path || '0'
      LIMIT CAST(:most AS integer)
    ) below
    """,
    int,
)


async def count_below(tx: Tx, paths: Sequence[str], *, most: int) -> int:
    """Return how many directories lie below others, `most` at most."""
    return await _COUNT.one(tx, paths=list(paths), most=most)


_HOLD = Sql(
    """
    SELECT dir_id, path FROM directories
    WHERE dir_id IN (
      SELECT unnest(CAST(:dir_ids AS bigint[]))
      UNION ALL
      SELECT d.dir_id FROM unnest(CAST(:paths AS text[])) AS top (path)
        JOIN directories d ON d.path > top.path || '/' AND d.path < top.path || '0')
    ORDER BY dir_id FOR UPDATE
    """,
    Below,
)


async def hold_trees(tx: Tx, dir_ids: Sequence[int], paths: Sequence[str]) -> list[Below]:
    """Keep everybody from directories, and from what lies below these paths, until the transaction ends."""
    return await _HOLD.rows(tx, dir_ids=list(dir_ids), paths=list(paths))


class TreeMove(NamedTuple):
    """A directory that moves with all below it; lineages are those of the directories that it lies in."""

    dir_id: int
    old: str
    new: str
    parent_id: int
    old_lineage: list[int]
    new_lineage: list[int]


_MOVE_TREES = Sql(
    """
    WITH top AS MATERIALIZED (
      SELECT * FROM unnest(CAST(:top_ids AS bigint[]), CAST(:parent_ids AS bigint[]), CAST(:cuts AS integer[]),
        CAST(:lineages AS text[])) WITH ORDINALITY AS t (dir_id, parent_id, cut, lineage, number)
    )
    UPDATE directories d SET path = m.path, path_hash = substring(sha256(convert_to(m.path, 'UTF8')) FROM 1 FOR 16),
      lineage = CAST(t.lineage AS bigint[]) || d.lineage[t.cut + 1:],
      depth = cardinality(string_to_array(m.path, '/')) - 1,
      parent_id = CASE WHEN d.dir_id = t.dir_id THEN t.parent_id ELSE d.parent_id END,
      origin = coalesce(d.origin, d.path)
    FROM unnest(CAST(:dir_ids AS bigint[]), CAST(:paths AS text[]), CAST(:tops AS bigint[])) AS m (dir_id, path, top)
      JOIN top t ON t.number = m.top
    WHERE d.dir_id = m.dir_id
    """
)


async def move_trees(tx: Tx, moves: Sequence[TreeMove], held: Sequence[tuple[Below, int]]) -> None:
    """Give directories that are held their new paths, each as part of the move of this index.

    Raises `CatalogueBusy`, and the transaction is lost, if somebody makes one of the new names at the same moment.
    """
    try:
        await _MOVE_TREES.run(
            tx,
            top_ids=[move.dir_id for move in moves],
            parent_ids=[move.parent_id for move in moves],
            cuts=[len(move.old_lineage) for move in moves],
            lineages=["{" + ",".join(map(str, move.new_lineage)) + "}" for move in moves],
            dir_ids=[each.dir_id for each, _ in held],
            paths=[moves[index].new + each.path[len(moves[index].old) :] for each, index in held],
            tops=[index + 1 for _, index in held],
        )
    except asyncpg.UniqueViolationError as error:
        raise CatalogueBusy(NAME_TAKEN, retry_after_s=1) from error


_MOVED_BEFORE = Sql(
    """
    SELECT DISTINCT pair->>0, pair->>1 FROM file_log l, jsonb_array_elements(l.detail->'moves') AS pair
    WHERE l.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) AND l.at > CAST(:since AS timestamptz)
      AND l.action = 'move' AND pair->>1 = ANY(CAST(:targets AS text[]))
    """,
    tuple[str, str],
)


async def select_moved(tx: Tx, vo: str, targets: Sequence[str], *, since: datetime) -> set[tuple[str, str]]:
    """Return the moves to these names that were done not long ago, as (from, to)."""
    return set(await _MOVED_BEFORE.rows(tx, vo=vo, targets=list(targets), since=since))
