"""SQL of what names stand for: directories and files, with the rights that decide."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.queries.lookup import ASKED, asked
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


# Few directories of files have directories in them, so that most names are looked for as files only; a root lies in
# nothing.
_NAMED = Sql(
    f"""
    WITH {ASKED}, below AS MATERIALIZED (
      SELECT p.place, EXISTS (SELECT 1 FROM directories x WHERE x.parent_id = p.dir_id OFFSET 0) AS is_parent
      FROM places p
    ), named AS (
      SELECT d.vo_id, d.dir_id, d.owner_id, d.group_id, d.mode, f.file_id, f.owner_id AS file_owner,
        f.group_id AS file_group, f.mode AS file_mode, d.path || '/' || w.name AS named
      FROM asked w JOIN places d ON d.place = w.place
      CROSS JOIN LATERAL (
        SELECT x.file_id, x.owner_id, x.group_id, x.mode FROM files x
        WHERE x.dir_id = d.dir_id AND x.name = w.name AND x.status = 'Good' OFFSET 0
      ) f
      UNION ALL
      SELECT c.vo_id, c.dir_id, c.owner_id, c.group_id, c.mode, NULL, NULL, NULL, NULL, c.path
      FROM asked w JOIN places d ON d.place = w.place JOIN below b ON b.place = w.place
      CROSS JOIN LATERAL (
        SELECT x.vo_id, x.dir_id, x.owner_id, x.group_id, x.mode, x.path FROM directories x
        WHERE b.is_parent AND x.parent_id = d.dir_id AND x.path = d.path || '/' || w.name AND x.trashed_at IS NULL
        OFFSET 0
      ) c
      UNION ALL
      SELECT r.vo_id, r.dir_id, r.owner_id, r.group_id, r.mode, NULL, NULL, NULL, NULL, r.path
      FROM unnest(CAST(:roots AS text[]), CAST(:root_hashes AS bytea[])) AS k (path, hash)
      CROSS JOIN LATERAL (
        SELECT x.vo_id, x.dir_id, x.owner_id, x.group_id, x.mode, x.path FROM directories x
        WHERE x.path_hash = k.hash AND x.path = k.path AND x.trashed_at IS NULL
          AND x.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) OFFSET 0
      ) r
    )
    SELECT n.named AS path, n.vo_id, n.dir_id, n.file_id, o.name AS owner, g.name AS group, n.mode,
      fo.name AS file_owner, fg.name AS file_group, n.file_mode
    FROM named n
    LEFT JOIN identities o ON o.identity_id = n.owner_id LEFT JOIN identities g ON g.identity_id = n.group_id
    LEFT JOIN identities fo ON fo.identity_id = n.file_owner LEFT JOIN identities fg ON fg.identity_id = n.file_group
    """,
    Named,
)


async def select_named(tx: Tx, vo: str, paths: Sequence[str], *, roots: Sequence[str]) -> dict[str, Named]:
    """Return those of the paths that are directories or files of a VO, whose roots these are."""
    named = [root for root in roots if root in paths]
    hashes = list(map(path_hash, named))
    rows = await _NAMED.rows(tx, vo=vo, roots=named, root_hashes=hashes, **asked(paths))
    return {row.path: row for row in rows}
