"""SQL of directories that are removed, and of the files in them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.file_catalog.modes import Rights
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_HOLD = Sql(
    """
    SELECT dir_id, path FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])) ORDER BY dir_id FOR UPDATE
    """,
    tuple[int, str],
)


async def hold_for_change(tx: Tx, dir_ids: Sequence[int]) -> dict[int, str]:
    """Keep everybody from making anything in directories until the transaction ends; returns those that exist."""
    return dict(await _HOLD.rows(tx, dir_ids=list(dir_ids)))


class Content(NamedTuple):
    """Whether a directory has files, directories that are shown, and anything of the trash."""

    dir_id: int
    has_files: bool
    has_directories: bool
    has_trash: bool


# `OFFSET 0`: see `lookup.ASKED`.
_CONTENT = Sql(
    """
    SELECT d.dir_id,
      EXISTS (SELECT 1 FROM files f WHERE f.dir_id = d.dir_id AND f.status = 'Good' OFFSET 0) AS has_files,
      EXISTS (SELECT 1 FROM directories c WHERE c.parent_id = d.dir_id AND c.trashed_at IS NULL
        AND c.dir_id <> ALL(CAST(:dir_ids AS bigint[])) OFFSET 0) AS has_directories,
      EXISTS (SELECT 1 FROM files f WHERE f.dir_id = d.dir_id AND f.status <> 'Good' OFFSET 0)
        OR EXISTS (SELECT 1 FROM directories c WHERE c.parent_id = d.dir_id AND c.trashed_at IS NOT NULL
          AND c.dir_id <> ALL(CAST(:dir_ids AS bigint[])) OFFSET 0) AS has_trash
    FROM directories d WHERE d.dir_id = ANY(CAST(:dir_ids AS bigint[]))
    """,
    Content,
)


async def select_content(tx: Tx, dir_ids: Sequence[int]) -> list[Content]:
    """Return what directories have in them, besides each other."""
    return await _CONTENT.rows(tx, dir_ids=list(dir_ids))


class Owned(NamedTuple):
    """A directory with its rights, and those of the one that it lies in, if it is no root."""

    dir_id: int
    path: str
    mode: int
    owner: str | None
    group: str | None
    parent_mode: int | None
    parent_owner: str | None
    parent_group: str | None

    @property
    def rights(self) -> Rights:
        """Whose it is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def parent(self) -> Rights | None:
        """Whose the directory above is, and what others may do there."""
        if self.parent_mode is None:
            return None
        return Rights(self.parent_owner, self.parent_group, self.parent_mode)


_RIGHTS = Sql(
    """
    SELECT d.dir_id, d.path, d.mode, CAST(o.name AS text) AS owner, CAST(g.name AS text) AS "group",
      p.mode AS parent_mode, CAST(po.name AS text) AS parent_owner, CAST(pg.name AS text) AS parent_group
    FROM directories d
      LEFT JOIN LATERAL (SELECT * FROM directories x WHERE x.dir_id = d.parent_id OFFSET 0) p ON true
      LEFT JOIN identities o ON o.identity_id = d.owner_id LEFT JOIN identities g ON g.identity_id = d.group_id
      LEFT JOIN identities po ON po.identity_id = p.owner_id LEFT JOIN identities pg ON pg.identity_id = p.group_id
    WHERE d.dir_id = ANY(CAST(:dir_ids AS bigint[])) AND d.trashed_at IS NULL
    """,
    Owned,
)


async def select_rights(tx: Tx, dir_ids: Sequence[int]) -> list[Owned]:
    """Return directories that are shown, with their rights and those above them."""
    return await _RIGHTS.rows(tx, dir_ids=list(dir_ids))


_HIDE = Sql(
    """
    UPDATE directories SET trashed_at = CAST(:now AS timestamptz)
    WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])) AND trashed_at IS NULL
    """
)
_DELETE = Sql(
    """
    WITH described AS (DELETE FROM directory_metadata WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])))
    DELETE FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[]))
    """
)


async def hide_directories(tx: Tx, dir_ids: Sequence[int], *, now: datetime) -> None:
    """Remove directories that hold files of the trash: they are shown no more."""
    await _HIDE.run(tx, dir_ids=list(dir_ids), now=now)


async def delete_directories(tx: Tx, dir_ids: Sequence[int]) -> None:
    """Drop empty directories with their metadata."""
    await _DELETE.run(tx, dir_ids=list(dir_ids))


_EMPTY = Sql(
    """
    SELECT d.dir_id FROM directories d
    WHERE d.trashed_at IS NOT NULL AND d.trashed_at < CAST(:before AS timestamptz)
      AND NOT EXISTS (SELECT 1 FROM files f WHERE f.dir_id = d.dir_id)
      AND NOT EXISTS (SELECT 1 FROM directories c WHERE c.parent_id = d.dir_id)
    ORDER BY d.dir_id LIMIT CAST(:limit AS integer) FOR UPDATE SKIP LOCKED
    """,
    int,
)


async def hold_hollow(tx: Tx, *, before: datetime, limit: int) -> list[int]:
    """Hold directories that were removed and have nothing in them any more."""
    return await _EMPTY.rows(tx, before=before, limit=limit)


_REMOVED = Sql(
    """
    SELECT DISTINCT path FROM file_log l, jsonb_array_elements_text(l.detail->'paths') AS path
    WHERE l.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) AND l.at > CAST(:since AS timestamptz)
      AND l.action = 'rmdir' AND path = ANY(CAST(:paths AS text[]))
    """,
    str,
)


async def select_removed(tx: Tx, vo: str, paths: Sequence[str], *, since: datetime) -> set[str]:
    """Return those of the directories that were removed not long ago."""
    return set(await _REMOVED.rows(tx, vo=vo, paths=list(paths), since=since))
