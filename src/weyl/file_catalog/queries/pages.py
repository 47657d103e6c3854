"""SQL of the pages: a directory with its children, and one file by its id; never more rows than a page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from weyl.config.lfns import storage_path
from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class DirectoryRow(NamedTuple):
    """A directory that is not removed."""

    dir_id: int
    path: str
    owner: str | None
    group: str | None
    mode: int
    created_at: datetime

    @property
    def rights(self) -> Rights:
        """Whose it is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)


class Child(NamedTuple):
    """A directory in another one, and whether there is none in it."""

    path: str
    owner: str | None
    group: str | None
    mode: int
    created_at: datetime
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class PageReplica:
    """Where a file lies; `verified_at` is none where somebody vouched for it."""

    se: str
    status: str
    pfn: str
    created_at: datetime
    verified_at: datetime | None


class PageFile(NamedTuple):
    """A file with its replicas, and whose it is and whose its directory is."""

    file_id: int
    dir_id: int
    directory: str
    name: str
    size: int
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    guid: UUID | None
    owner: str
    group: str
    mode: int
    status: str
    job_id: int | None
    attempt: int | None
    created_at: datetime
    modified_at: datetime
    trashed_at: datetime | None
    directory_owner: str | None
    directory_group: str | None
    directory_mode: int
    stored_at: str
    ses: list[str] | None
    statuses: list[str] | None
    pfns: list[str | None] | None
    added: list[datetime] | None
    verified: list[datetime | None] | None

    @property
    def lfn(self) -> str:
        """The name of the file."""
        return f"{self.directory}/{self.name}"

    @property
    def replicas(self) -> list[PageReplica]:
        """The replicas, by the names of their storage elements."""
        columns = (self.ses or [], self.statuses or [], self.pfns or [], self.added or [], self.verified or [])
        return [
            PageReplica(se, status, storage_path(self.stored_at, self.name, pfn), created_at, verified_at)
            for se, status, pfn, created_at, verified_at in zip(*columns, strict=True)
        ]

    @property
    def rights(self) -> Rights:
        """Whose it is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def directory_rights(self) -> Rights:
        """Whose its directory is, and what others may do there."""
        return Rights(self.directory_owner, self.directory_group, self.directory_mode)


_DIRECTORIES = Sql(
    """
    SELECT d.dir_id, d.path, o.name AS owner, g.name AS "group", d.mode, d.created_at
    FROM directories d JOIN file_vos v USING (vo_id)
      LEFT JOIN identities o ON o.identity_id = d.owner_id LEFT JOIN identities g ON g.identity_id = d.group_id
    WHERE d.path_hash = ANY(CAST(:hashes AS bytea[])) AND d.path = ANY(CAST(:paths AS text[])) AND v.name = :vo
      AND d.trashed_at IS NULL
    ORDER BY d.path
    """,
    DirectoryRow,
)
_CHILDREN = Sql(
    """
    SELECT d.path, o.name AS owner, g.name AS "group", d.mode, d.created_at, NOT EXISTS (
      SELECT FROM directories c WHERE c.parent_id = d.dir_id AND c.trashed_at IS NULL) AS is_leaf
    FROM directories d
      LEFT JOIN identities o ON o.identity_id = d.owner_id LEFT JOIN identities g ON g.identity_id = d.group_id
    WHERE d.parent_id = :parent AND d.path > :after AND d.trashed_at IS NULL
    ORDER BY d.path LIMIT :most
    """,
    Child,
)
_FILE = Sql(
    """
    SELECT f.file_id, f.dir_id, d.path AS directory, f.name, f.size, f.adler32, f.md5, f.sha1, f.sha256, f.guid,
      o.name AS owner, g.name AS "group", f.mode, f.status, f.job_id, f.attempt, f.created_at, f.modified_at,
      f.trashed_at, po.name AS directory_owner, pg.name AS directory_group, d.mode AS directory_mode,
      coalesce(d.origin, d.path) AS stored_at, c.ses, c.statuses, c.pfns, c.added, c.verified
    FROM files f JOIN directories d USING (dir_id) JOIN file_vos v USING (vo_id)
      JOIN identities o ON o.identity_id = f.owner_id JOIN identities g ON g.identity_id = f.group_id
      LEFT JOIN identities po ON po.identity_id = d.owner_id LEFT JOIN identities pg ON pg.identity_id = d.group_id
      LEFT JOIN LATERAL (
        SELECT array_agg(CAST(s.name AS text) ORDER BY s.name) AS ses,
          array_agg(CAST(r.status AS text) ORDER BY s.name) AS statuses, array_agg(r.pfn ORDER BY s.name) AS pfns,
          array_agg(r.created_at ORDER BY s.name) AS added, array_agg(r.verified_at ORDER BY s.name) AS verified
        FROM replicas r JOIN se_names s USING (se_id) WHERE r.file_id = f.file_id
      ) c ON true
    WHERE f.file_id = :file_id AND v.name = :vo
    """,
    PageFile,
)


async def select_directories(tx: Tx, vo: str, paths: Sequence[str]) -> dict[str, DirectoryRow]:
    """Return those of these directories that the VO has, by their paths; one statement."""
    hashes = [path_hash(path) for path in paths]
    rows = await _DIRECTORIES.rows(tx, vo=vo, hashes=hashes, paths=list(paths))
    return {row.path: row for row in rows}


async def select_children(tx: Tx, parent: int, *, after: str, most: int) -> list[Child]:
    """Return the directories in another behind a path, in the order of their paths; one statement."""
    return await _CHILDREN.rows(tx, parent=parent, after=after, most=most)


async def select_file(tx: Tx, vo: str, file_id: int) -> PageFile | None:
    """Return a file of the VO, in the trash or not, with its replicas; one statement."""
    return await _FILE.first(tx, vo=vo, file_id=file_id)
