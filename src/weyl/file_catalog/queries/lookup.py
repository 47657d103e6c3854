"""SQL of look-ups: files by their names with replicas, and the rights of their directories, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, TypedDict
from uuid import UUID

from weyl.config.lfns import storage_path
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.queries.metadata import METADATA_OF_FILE
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql


class Replica(NamedTuple):
    """A copy of a file: where it lies on which storage element."""

    se: str
    status: str
    path: str
    verified_at: datetime | None


class FileRow(NamedTuple):
    """A file, or none (`file_id`) where there is a directory for its name and nothing else; `number` is that of its
    name in the call.
    """

    number: int
    file_id: int | None
    name: str
    size: int | None
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    guid: UUID | None
    owner: str | None
    group: str | None
    mode: int | None
    status: str | None
    job_id: int | None
    attempt: int | None
    created_at: datetime | None
    modified_at: datetime | None
    trashed_at: datetime | None
    dir_id: int
    stored_at: str
    dir_mode: int
    dir_owner: str | None
    dir_group: str | None
    ses: list[str] | None
    statuses: list[str] | None
    pfns: list[str | None] | None
    verified: list[datetime | None] | None
    metadata: Document | None

    @property
    def rights(self) -> Rights:
        """Whose the file is, and what others may do."""
        return Rights(self.owner, self.group, self.mode or 0)

    @property
    def directory_rights(self) -> Rights:
        """Whose its directory is, and what others may do there."""
        return Rights(self.dir_owner, self.dir_group, self.dir_mode)

    @property
    def checksums(self) -> Checksums:
        """What is known of the content."""
        return Checksums.from_row(self.adler32, self.md5, self.sha1, self.sha256)

    @property
    def replicas(self) -> list[Replica]:
        """The copies, by the names of their storage elements."""
        if self.ses is None or self.statuses is None or self.pfns is None or self.verified is None:
            return []
        columns = zip(self.ses, self.statuses, self.pfns, self.verified, strict=True)
        return [
            Replica(se, status, storage_path(self.stored_at, self.name, pfn), verified_at)
            for se, status, pfn, verified_at in columns
        ]


ASKED = """
    asked AS MATERIALIZED (
      SELECT * FROM unnest(CAST(:places AS integer[]), CAST(:names AS text[])) WITH ORDINALITY
        AS w (place, name, number)
    ), places AS MATERIALIZED (
      SELECT u.place, p.* FROM unnest(CAST(:hashes AS bytea[]), CAST(:parents AS text[])) WITH ORDINALITY
        AS u (hash, parent, place) CROSS JOIN LATERAL (
        SELECT * FROM directories d WHERE d.path_hash = u.hash AND d.path = u.parent
          AND d.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) OFFSET 0
      ) p
    )"""
"""The names of a call, and their directories: each is told, and found by its hash, once. See `asked`.

Here and below, `OFFSET 0` keeps the planner from reading whole tables: it does not know how few names there are.
"""


class AskedNames(TypedDict):
    """Names as `ASKED` takes them."""

    hashes: list[bytes]
    parents: list[str]
    places: list[int]
    names: list[str]


def asked(lfns: Sequence[str]) -> AskedNames:
    """Return names as `ASKED` takes them: the directories, each once, and a number of one of them for each name."""
    parents: dict[str, int] = {}
    places, names = [], []
    for lfn in lfns:
        parent, _, name = lfn.rpartition("/")
        places.append(parents.setdefault(parent, len(parents) + 1))
        names.append(name)
    return {"hashes": list(map(path_hash, parents)), "parents": list(parents), "places": places, "names": names}


def _text(files: str, metadata: str = "CAST(NULL AS jsonb)") -> str:
    return f"""
    WITH {ASKED}
    SELECT w.number, f.file_id, w.name, f.size, f.adler32, f.md5, f.sha1, f.sha256, f.guid,
      CAST(fo.name AS text) AS owner, CAST(fg.name AS text) AS "group", f.mode, CAST(f.status AS text) AS status,
      f.job_id, f.attempt, f.created_at, f.modified_at, f.trashed_at, d.dir_id,
      coalesce(d.origin, d.path) AS stored_at, d.mode AS dir_mode, CAST(o.name AS text) AS dir_owner,
      CAST(g.name AS text) AS dir_group, c.ses, c.statuses, c.pfns, c.verified,
      {metadata} AS metadata
    FROM asked w JOIN places d ON d.place = w.place
      LEFT JOIN identities o ON o.identity_id = d.owner_id
      LEFT JOIN identities g ON g.identity_id = d.group_id
      LEFT JOIN LATERAL ({files}) f ON true
      LEFT JOIN identities fo ON fo.identity_id = f.owner_id
      LEFT JOIN identities fg ON fg.identity_id = f.group_id
      LEFT JOIN LATERAL (
        SELECT array_agg(CAST(s.name AS text) ORDER BY s.name) AS ses,
          array_agg(CAST(r.status AS text) ORDER BY s.name) AS statuses, array_agg(r.pfn ORDER BY s.name) AS pfns,
          array_agg(r.verified_at ORDER BY s.name) AS verified
        FROM replicas r JOIN se_names s USING (se_id) WHERE r.file_id = f.file_id
      ) c ON true
    """


_GOOD = "SELECT * FROM files t WHERE t.dir_id = d.dir_id AND t.name = w.name AND t.status = 'Good' OFFSET 0"
# Of several files of one name the latest.
_TRASH = """
        SELECT * FROM files t WHERE t.dir_id = d.dir_id AND t.name = w.name AND t.status = 'Trash'
        ORDER BY t.trashed_at DESC, t.file_id DESC LIMIT 1"""
_SELECT = {
    (trash, metadata): Sql(_text(files, METADATA_OF_FILE) if metadata else _text(files), FileRow)
    for trash, files in ((False, _GOOD), (True, _TRASH))
    for metadata in (False, True)
}


async def select_files(
    tx: Tx, vo: str, lfns: Sequence[str], *, trash: bool = False, metadata: bool = False
) -> dict[str, FileRow]:
    """Return a row for each name whose directory exists, of the files that are there, or of those in the trash."""
    rows = await _SELECT[trash, metadata].rows(tx, vo=vo, **asked(lfns))
    return {lfns[row.number - 1]: row for row in rows}


class _CopyRow(NamedTuple):
    number: int
    file_id: int | None
    name: str
    size: int | None
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    owner: str | None
    group: str | None
    mode: int | None
    stored_at: str
    dir_mode: int
    dir_owner: str | None
    dir_group: str | None
    se: str | None
    status: str | None
    pfn: str | None
    verified_at: datetime | None


# A row for each replica: arrays of them would take the driver longer than all the rest.
_COPIES = Sql(
    f"""
    WITH {ASKED}
    SELECT w.number, f.file_id, w.name, f.size, f.adler32, f.md5, f.sha1, f.sha256, CAST(fo.name AS text) AS owner,
      CAST(fg.name AS text) AS "group", f.mode, coalesce(d.origin, d.path) AS stored_at, d.mode AS dir_mode,
      CAST(o.name AS text) AS dir_owner, CAST(g.name AS text) AS dir_group,
      CAST(s.name AS text) AS se, CAST(c.status AS text) AS status, c.pfn, c.verified_at
    FROM asked w JOIN places d ON d.place = w.place
      LEFT JOIN identities o ON o.identity_id = d.owner_id
      LEFT JOIN identities g ON g.identity_id = d.group_id
      LEFT JOIN LATERAL ({_GOOD}) f ON true
      LEFT JOIN identities fo ON fo.identity_id = f.owner_id
      LEFT JOIN identities fg ON fg.identity_id = f.group_id
      LEFT JOIN LATERAL (SELECT * FROM replicas r WHERE r.file_id = f.file_id OFFSET 0) c ON true
      LEFT JOIN se_names s ON s.se_id = c.se_id
    """,
    _CopyRow,
)


@dataclass(slots=True)
class CopiesRow:
    """A file, or none where there is a directory for its name and nothing else, with its replicas."""

    row: _CopyRow
    replicas: list[Replica]
    """By the names of their storage elements."""

    @property
    def file_id(self) -> int | None:
        """The id of the file, if there is one."""
        return self.row.file_id

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.row.size or 0

    @property
    def rights(self) -> Rights:
        """Whose the file is, and what others may do."""
        return Rights(self.row.owner, self.row.group, self.row.mode or 0)

    @property
    def directory_rights(self) -> Rights:
        """Whose its directory is, and what others may do there."""
        return Rights(self.row.dir_owner, self.row.dir_group, self.row.dir_mode)

    @property
    def checksums(self) -> Checksums:
        """What is known of the content."""
        return Checksums.from_row(self.row.adler32, self.row.md5, self.row.sha1, self.row.sha256)


async def select_copies(tx: Tx, vo: str, lfns: Sequence[str]) -> dict[str, CopiesRow]:
    """Return the files of names with their replicas, and nothing else: what many ask for thousands of files."""
    found: dict[str, CopiesRow] = {}
    for row in await _COPIES.rows(tx, vo=vo, **asked(lfns)):
        lfn = lfns[row.number - 1]
        file = found.get(lfn)
        if file is None:
            file = found[lfn] = CopiesRow(row, [])
        if row.se is not None and row.status is not None:
            path = storage_path(row.stored_at, row.name, row.pfn)
            file.replicas.append(Replica(row.se, row.status, path, row.verified_at))
    for file in found.values():
        if len(file.replicas) > 1:
            file.replicas.sort(key=itemgetter(0))
    return found
