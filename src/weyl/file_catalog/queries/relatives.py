"""SQL of ancestors and descendants, some steps away."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Relative(NamedTuple):
    """A file some steps away from the one of this id; of a purged one the name that it had."""

    start_id: int
    file_id: int
    depth: int
    lfn: str | None
    size: int | None
    status: str | None
    mode: int | None
    owner: str | None
    group: str | None


def _text(near: str, far: str) -> str:
    return f"""
    WITH RECURSIVE walk AS (
      SELECT {near} AS start_id, {far} AS file_id, 1 AS depth FROM file_ancestors
      WHERE {near} = ANY(CAST(:file_ids AS bigint[]))
      UNION
      SELECT w.start_id, a.{far}, w.depth + 1 FROM walk w JOIN file_ancestors a ON a.{near} = w.file_id
      WHERE w.depth < CAST(:depth AS integer)
    ), bounded AS (
      SELECT * FROM walk LIMIT CAST(:most AS integer)
    ), nearest AS (
      SELECT start_id, file_id, min(depth) AS depth FROM bounded GROUP BY start_id, file_id
    )
    SELECT n.start_id, n.file_id, n.depth, coalesce(d.path || '/' || f.name, t.lfn) AS lfn,
      coalesce(f.size, t.size) AS size, CAST(f.status AS text) AS status, d.mode, CAST(o.name AS text) AS owner,
      CAST(g.name AS text) AS "group"
    FROM nearest n
      LEFT JOIN LATERAL (SELECT * FROM files x WHERE x.file_id = n.file_id OFFSET 0) f ON true
      LEFT JOIN LATERAL (SELECT * FROM directories x WHERE x.dir_id = f.dir_id OFFSET 0) d ON true
      LEFT JOIN identities o ON o.identity_id = d.owner_id
      LEFT JOIN identities g ON g.identity_id = d.group_id
      LEFT JOIN LATERAL (
        SELECT * FROM tombstones x WHERE x.file_id = n.file_id AND f.file_id IS NULL LIMIT 1
      ) t ON true
    ORDER BY n.start_id, n.depth, lfn
    """


_ANCESTORS = Sql(_text("file_id", "ancestor_id"), Relative)
_DESCENDANTS = Sql(_text("ancestor_id", "file_id"), Relative)


async def select_relatives(
    tx: Tx, file_ids: Sequence[int], *, descendants: bool, depth: int, most: int
) -> list[Relative]:
    """Return ancestors or descendants up to so many steps away, `most` at most."""
    statement = _DESCENDANTS if descendants else _ANCESTORS
    return await statement.rows(tx, file_ids=list(file_ids), depth=depth, most=most)
