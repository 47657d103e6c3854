"""SQL of what names stand for: directories and files, with the rights that decide."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.config.lfns import name_of, parent_of
from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Named(NamedTuple):
    """A directory or a file by its path; the rights of a file's directory stand before its own."""

    path: str
    vo_id: int
    dir_id: int
    file_id: int | None
    owner: str | None
    group: str | None
    mode: int
    file_owner: str | None
    file_group: str | None
    file_mode: int | None

    @property
    def rights(self) -> Rights:
        """Whose the directory is, and what others may do in it."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def file_rights(self) -> Rights | None:
        """Whose the file is, and what others may do with it; none of a directory."""
        return None if self.file_mode is None else Rights(self.file_owner, self.file_group, self.file_mode)


_NAMED = Sql(
    """
    WITH places AS MATERIALIZED (
      -- each directory is found once, however many of its files are named
      SELECT d.* FROM unnest(:place_paths::text[], :place_hashes::bytea[]) AS k (path, hash)
      CROSS JOIN LATERAL (
        SELECT d.path, d.vo_id, d.dir_id, d.owner_id, d.group_id, d.mode, d.trashed_at FROM directories d
        WHERE d.path_hash = k.hash AND d.path = k.path OFFSET 0
      ) d
      WHERE d.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo)
    ), named AS (
      SELECT p.*, NULL::bigint AS file_id, NULL::bigint AS file_owner, NULL::bigint AS file_group,
        NULL::smallint AS file_mode, p.path AS named
      FROM places p WHERE p.path = ANY(:paths::text[]) AND p.trashed_at IS NULL
      UNION ALL
      SELECT p.*, f.file_id, f.owner_id, f.group_id, f.mode, p.path || '/' || k.name
      FROM unnest(:parents::text[], :names::text[]) AS k (parent, name) JOIN places p ON p.path = k.parent
      CROSS JOIN LATERAL (
        SELECT f.file_id, f.owner_id, f.group_id, f.mode FROM files f
        WHERE f.dir_id = p.dir_id AND f.name = k.name AND f.status = 'Good' OFFSET 0
      ) f
    )
    SELECT n.named AS path, n.vo_id, n.dir_id, n.file_id, o.name AS owner, g.name AS group, n.mode,
      fo.name AS file_owner, fg.name AS file_group, n.file_mode
    FROM named n
    LEFT JOIN identities o ON o.identity_id = n.owner_id LEFT JOIN identities g ON g.identity_id = n.group_id
    LEFT JOIN identities fo ON fo.identity_id = n.file_owner LEFT JOIN identities fg ON fg.identity_id = n.file_group
    """,
    Named,
)


async def select_named(tx: Tx, vo: str, paths: Sequence[str]) -> dict[str, Named]:
    """Return those of the paths that are directories or files of a VO."""
    parents = list(map(parent_of, paths))
    places = list(dict.fromkeys([*paths, *parents]))
    rows = await _NAMED.rows(
        tx,
        vo=vo,
        paths=list(paths),
        parents=parents,
        names=list(map(name_of, paths)),
        place_paths=places,
        place_hashes=list(map(path_hash, places)),
    )
    return {row.path: row for row in rows}
