"""SQL of directories as places of files: names of a call by id, the tree above them, and directories that are made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Directory(NamedTuple):
    """A directory with what decides who may use it; `stored_at` is where its files lie on storage elements."""

    dir_id: int
    path: str
    lineage: list[int]
    mode: int
    owner: str | None
    group: str | None
    stored_at: str
    is_trashed: bool
    metadata_set_id: int | None
    group_id: int | None = None

    @property
    def rights(self) -> Rights:
        """Whose it is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)


class _Named(NamedTuple):
    kind: str
    dir_id: int
    path: str
    lineage: list[int] | None
    mode: int
    owner: str | None
    group: str | None
    stored_at: str | None
    is_trashed: bool
    metadata_set_id: int | None
    group_id: int | None


@dataclass(frozen=True, slots=True)
class Names:
    """Names that stand for small numbers in rows: of the VO, of owners and groups, of storage elements."""

    vo: str
    identities: Collection[str] = ()
    ses: Collection[str] = ()


@dataclass(slots=True)
class Places:
    """The ids of names, and those directories that exist, by path."""

    vo_id: int | None
    identities: dict[str, int]
    ses: dict[str, int]
    directories: dict[str, Directory]

    def lacks(self, names: Names) -> bool:
        """Tell whether one of the names has no id yet."""
        known = self.identities.keys() >= set(names.identities) and self.ses.keys() >= set(names.ses)
        return self.vo_id is None or not known


_SELECT = Sql(
    """
    SELECT 'vo' AS kind, vo_id AS dir_id, CAST(name AS text) AS path, CAST(NULL AS bigint[]) AS lineage,
      CAST(0 AS smallint) AS mode, CAST(NULL AS varchar) AS owner, CAST(NULL AS varchar) AS "group",
      CAST(NULL AS text) AS stored_at, false AS is_trashed, CAST(NULL AS bigint) AS metadata_set_id,
      CAST(NULL AS bigint) AS group_id
    FROM file_vos WHERE name = :vo
    UNION ALL
    SELECT 'identity', identity_id, name, NULL, 0, NULL, NULL, NULL, false, NULL, NULL
    FROM identities WHERE name = ANY(CAST(:identities AS varchar[]))
    UNION ALL
    SELECT 'se', se_id, name, NULL, 0, NULL, NULL, NULL, false, NULL, NULL
    FROM se_names WHERE name = ANY(CAST(:ses AS varchar[]))
    UNION ALL
    SELECT 'directory', d.dir_id, d.path, d.lineage, d.mode, o.name, g.name, coalesce(d.origin, d.path),
      d.trashed_at IS NOT NULL, d.metadata_set_id, d.group_id
    FROM directories d
      LEFT JOIN identities o ON o.identity_id = d.owner_id
      LEFT JOIN identities g ON g.identity_id = d.group_id
    WHERE d.path_hash = ANY(CAST(:hashes AS bytea[])) AND d.path = ANY(CAST(:paths AS text[]))
      AND d.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo)
    """,
    _Named,
)


async def select_places(tx: Tx, names: Names, paths: Sequence[str]) -> Places:
    """Return the ids of the names, and the directories among these paths that exist."""
    rows = await _SELECT.rows(
        tx,
        vo=names.vo,
        identities=list(names.identities),
        ses=list(names.ses),
        hashes=list(map(path_hash, paths)),
        paths=list(paths),
    )
    found = Places(None, {}, {}, {})
    for row in rows:
        match row.kind:
            case "vo":
                found.vo_id = row.dir_id
            case "identity":
                found.identities[row.path] = row.dir_id
            case "se":
                found.ses[row.path] = row.dir_id
            case _:
                directory = Directory(*row[1:])  # type: ignore[arg-type]
                found.directories[row.path] = directory
    return found


_INSERT_NAMES = Sql(
    """
    WITH vo AS (INSERT INTO file_vos (name) VALUES (:vo) ON CONFLICT (name) DO NOTHING),
    people AS (
      INSERT INTO identities (name)
      SELECT name FROM unnest(CAST(:identities AS varchar[])) AS given (name) ORDER BY name
      ON CONFLICT (name) DO NOTHING
    )
    INSERT INTO se_names (name) SELECT name FROM unnest(CAST(:ses AS varchar[])) AS given (name) ORDER BY name
    ON CONFLICT (name) DO NOTHING
    """
)


async def insert_names(tx: Tx, names: Names) -> None:
    """Give those names an id that have none."""
    await _INSERT_NAMES.run(tx, vo=names.vo, identities=sorted(names.identities), ses=sorted(names.ses))


class Held(NamedTuple):
    """Directories that nobody moves or drops before the transaction ends, and ids for new ones below them."""

    dir_ids: list[int] | None
    paths: list[str] | None
    set_ids: list[int | None] | None
    new_ids: list[int]


_HOLD = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT dir_id, path, metadata_set_id FROM directories
      WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])) ORDER BY dir_id FOR SHARE
    )
    SELECT (SELECT array_agg(dir_id ORDER BY dir_id) FROM held) AS dir_ids,
      (SELECT array_agg(path ORDER BY dir_id) FROM held) AS paths,
      (SELECT array_agg(metadata_set_id ORDER BY dir_id) FROM held) AS set_ids,
      (SELECT array_agg(nextval('directories_dir_id_seq')) FROM generate_series(1, CAST(:count AS integer))) AS new_ids
    """,
    Held,
)


async def hold_directories(tx: Tx, dir_ids: Sequence[int], *, new: int) -> Held:
    """Keep directories from being moved, dropped or described anew, and reserve ids for `new` others."""
    return await _HOLD.one(tx, dir_ids=list(dir_ids), count=new)


class NewDirectory(NamedTuple):
    """A directory that is to be made."""

    dir_id: int
    parent_id: int | None
    path: str
    lineage: list[int]
    owner_id: int | None
    group_id: int | None
    mode: int
    metadata_set_id: int | None


_INSERT = Sql(
    """
    INSERT INTO directories (dir_id, parent_id, vo_id, path, path_hash, lineage, depth, owner_id, group_id, mode,
      metadata_set_id, created_at)
    SELECT n.dir_id, n.parent_id, CAST(:vo_id AS bigint), n.path, n.path_hash, CAST(n.lineage AS bigint[]), n.depth,
      n.owner_id, n.group_id, n.mode, n.metadata_set_id, CAST(:now AS timestamptz)
    FROM unnest(CAST(:dir_ids AS bigint[]), CAST(:parent_ids AS bigint[]), CAST(:paths AS text[]),
      CAST(:hashes AS bytea[]), CAST(:lineages AS text[]), CAST(:depths AS smallint[]), CAST(:owner_ids AS bigint[]),
      CAST(:group_ids AS bigint[]), CAST(:modes AS smallint[]), CAST(:set_ids AS bigint[]))
      AS n (dir_id, parent_id, path, path_hash, lineage, depth, owner_id, group_id, mode, metadata_set_id)
    ORDER BY n.path COLLATE "C"
    ON CONFLICT (path_hash) DO NOTHING
    RETURNING dir_id
    """,
    int,
)


async def insert_directories(tx: Tx, vo_id: int, rows: Sequence[NewDirectory], *, now: datetime) -> list[int]:
    """Make directories, those above first; returns the ids of those that nobody has made meanwhile."""
    return await _INSERT.rows(
        tx,
        vo_id=vo_id,
        dir_ids=[row.dir_id for row in rows],
        parent_ids=[row.parent_id for row in rows],
        paths=[row.path for row in rows],
        hashes=[path_hash(row.path) for row in rows],
        lineages=["{" + ",".join(map(str, row.lineage)) + "}" for row in rows],
        depths=[row.path.count("/") for row in rows],
        owner_ids=[row.owner_id for row in rows],
        group_ids=[row.group_id for row in rows],
        modes=[row.mode for row in rows],
        set_ids=[row.metadata_set_id for row in rows],
        now=now,
    )


_DELETE_MADE = Sql("DELETE FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[]))")


async def delete_made(tx: Tx, dir_ids: Sequence[int]) -> None:
    """Take back directories that this transaction has made."""
    await _DELETE_MADE.run(tx, dir_ids=list(dir_ids))


_TAKE_BACK = Sql(
    """
    UPDATE directories SET trashed_at = NULL WHERE dir_id IN (
      SELECT dir_id FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])) AND trashed_at IS NOT NULL
      ORDER BY dir_id FOR NO KEY UPDATE
    )
    """
)


async def take_back(tx: Tx, directories: Mapping[str, Directory], paths: Collection[str]) -> None:
    """Show directories again that were removed, and those above them."""
    ids = sorted({dir_id for path in paths for dir_id in directories[path].lineage})
    await _TAKE_BACK.run(tx, dir_ids=ids)
