"""SQL of look-ups: files by their names with replicas, and the rights of their directories, in one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from weyl.config.lfns import name_of, parent_of, storage_path
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
      SELECT * FROM unnest(CAST(:hashes AS bytea[]), CAST(:parents AS text[]), CAST(:names AS text[])) WITH ORDINALITY
        AS w (hash, parent, name, number)
    ), places AS MATERIALIZED (
      SELECT p.* FROM (SELECT DISTINCT hash, parent FROM asked) u CROSS JOIN LATERAL (
        SELECT * FROM directories d WHERE d.path_hash = u.hash AND d.path = u.parent
          AND d.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) OFFSET 0
      ) p
    )"""
"""The names of a call, and their directories: each is found once, by its hash.

Here and below, `OFFSET 0` keeps the planner from reading whole tables: it does not know how few names there are.
"""


def _text(files: str, metadata: str = "CAST(NULL AS jsonb)") -> str:
    return f"""
    WITH {ASKED}
    SELECT w.number, f.file_id, w.name, f.size, f.adler32, f.md5, f.sha1, f.sha256, f.guid,
      CAST(fo.name AS text) AS owner, CAST(fg.name AS text) AS "group", f.mode, CAST(f.status AS text) AS status,
      f.job_id, f.attempt, f.created_at, f.modified_at, f.trashed_at, d.dir_id,
      coalesce(d.origin, d.path) AS stored_at, d.mode AS dir_mode, CAST(o.name AS text) AS dir_owner,
      CAST(g.name AS text) AS dir_group, c.ses, c.statuses, c.pfns, c.verified,
      {metadata} AS metadata
    FROM asked w JOIN places d ON d.path_hash = w.hash
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
    parents = list(map(parent_of, lfns))
    rows = await _SELECT[trash, metadata].rows(
        tx, vo=vo, hashes=list(map(path_hash, parents)), parents=parents, names=list(map(name_of, lfns))
    )
    return {lfns[row.number - 1]: row for row in rows}
