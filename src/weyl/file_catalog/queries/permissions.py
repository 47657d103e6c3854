"""SQL of owners, groups and modes of directories and files."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Change(NamedTuple):
    """What is set; None leaves it as it is. Only what belongs to `only_owner_id` is changed, if that is given."""

    owner_id: int | None
    group_id: int | None
    mode: int | None
    only_owner_id: int | None


_SET = """
      owner_id = coalesce(CAST(:owner_id AS bigint), {0}.owner_id),
      group_id = coalesce(CAST(:group_id AS bigint), {0}.group_id),
      mode = coalesce(CAST(:mode AS smallint), {0}.mode)"""
_OWNED = "(CAST(:only_owner_id AS bigint) IS NULL OR {0}.owner_id = CAST(:only_owner_id AS bigint))"

_CHANGE = Sql(
    f"""
    WITH held AS MATERIALIZED (
      SELECT dir_id FROM directories d WHERE d.dir_id = ANY(CAST(:dir_ids AS bigint[])) AND {_OWNED.format("d")}
      ORDER BY dir_id FOR NO KEY UPDATE
    ), directories_changed AS (
      UPDATE directories d SET {_SET.format("d")} FROM held WHERE d.dir_id = held.dir_id RETURNING d.dir_id
    ), held_files AS MATERIALIZED (
      SELECT file_id FROM files f WHERE f.file_id = ANY(CAST(:file_ids AS bigint[])) AND {_OWNED.format("f")}
      ORDER BY file_id FOR NO KEY UPDATE
    ), files_changed AS (
      UPDATE files f SET {_SET.format("f")} FROM held_files WHERE f.file_id = held_files.file_id RETURNING f.file_id
    )
    SELECT (SELECT count(*) FROM directories_changed) + (SELECT count(*) FROM files_changed)
    """,
    int,
)


async def change(tx: Tx, what: Change, *, dir_ids: Sequence[int], file_ids: Sequence[int]) -> int:
    """Change directories and files; returns how many there were."""
    return await _CHANGE.one(tx, dir_ids=list(dir_ids), file_ids=list(file_ids), **what._asdict())


_BELOW = Sql(
    """
    SELECT d.dir_id FROM unnest(CAST(:paths AS text[])) AS top (path)
      JOIN directories d ON d.path > top.path || '/' AND d.path < top.path || '0'
    ORDER BY d.dir_id LIMIT CAST(:most AS integer)
    """,
    int,
)
_INSIDE = Sql(
    """
    SELECT f.file_id FROM files f WHERE f.dir_id = ANY(CAST(:dir_ids AS bigint[])) AND f.status = 'Good'
    LIMIT CAST(:most AS integer)
    """,
    int,
)


async def select_below(tx: Tx, paths: Sequence[str], *, most: int) -> list[int]:
    """Return directories below others, `most` at most."""
    return await _BELOW.rows(tx, paths=list(paths), most=most)


async def select_inside(tx: Tx, dir_ids: Sequence[int], *, most: int) -> list[int]:
    """Return the files in directories, `most` at most."""
    return await _INSIDE.rows(tx, dir_ids=list(dir_ids), most=most)
