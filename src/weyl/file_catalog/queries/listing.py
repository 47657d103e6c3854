"""SQL of lists: what is in a directory, a page at a time in the order of names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Entry(NamedTuple):
    """The directory itself (kind `here`), a directory in it, or a file in it."""

    kind: str
    entry_id: int
    name: str
    owner: str | None
    group: str | None
    mode: int
    created_at: datetime
    modified_at: datetime | None
    trashed_at: datetime | None
    size: int | None
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    job_id: int | None

    @property
    def rights(self) -> Rights:
        """Whose it is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def checksums(self) -> Checksums:
        """What is known of the content of a file."""
        return Checksums.from_row(self.adler32, self.md5, self.sha1, self.sha256)


@dataclass(frozen=True, slots=True)
class Page:
    """How much of a directory is wanted, and what comes before: names that were seen, or None."""

    limit: int
    after_directory: str | None = None
    after_file: tuple[str, int] | None = None


_DIRECTORY = """d.dir_id AS entry_id, d.path AS name, CAST(o.name AS text) AS owner, CAST(g.name AS text) AS "group",
        d.mode, d.created_at, CAST(NULL AS timestamptz) AS modified_at, d.trashed_at, CAST(NULL AS bigint) AS size,
        CAST(NULL AS integer) AS adler32, CAST(NULL AS bytea) AS md5, CAST(NULL AS bytea) AS sha1,
        CAST(NULL AS bytea) AS sha256, CAST(NULL AS bigint) AS job_id"""
_PEOPLE = """LEFT JOIN identities o ON o.identity_id = {0}.owner_id
        LEFT JOIN identities g ON g.identity_id = {0}.group_id"""


def _text(files: str, shown: str) -> str:
    return f"""
    WITH here AS MATERIALIZED (
      SELECT * FROM directories WHERE path_hash = :hash AND path = :path
        AND vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo)
    )
    SELECT 'here' AS kind, {_DIRECTORY} FROM here d {_PEOPLE.format("d")}
    UNION ALL
    (SELECT 'directory', {_DIRECTORY}
      FROM (SELECT * FROM directories WHERE parent_id = (SELECT dir_id FROM here)
          AND path > CAST(:after_directory AS text) {shown}
        ORDER BY path LIMIT CAST(:directories AS integer)) d {_PEOPLE.format("d")} ORDER BY d.path)
    UNION ALL
    (SELECT 'file', f.file_id, f.name, o.name, g.name, f.mode, f.created_at, f.modified_at, f.trashed_at, f.size,
        f.adler32, f.md5, f.sha1, f.sha256, f.job_id
      FROM (SELECT * FROM files WHERE dir_id = (SELECT dir_id FROM here) AND {files}
          AND (name, file_id) > (CAST(:after_name AS text), CAST(:after_id AS bigint))
        ORDER BY name, file_id LIMIT CAST(:files AS integer)) f {_PEOPLE.format("f")} ORDER BY f.name, f.file_id)
    """


_GOOD = Sql(_text("status = 'Good'", "AND trashed_at IS NULL"), Entry)
_TRASH = Sql(_text("status = 'Trash'", ""), Entry)


async def select_entries(tx: Tx, vo: str, path: str, page: Page, *, trash: bool) -> Sequence[Entry]:
    """Return the directory, if it exists, then what is in it: directories first, one entry more than the page has."""
    statement = _TRASH if trash else _GOOD
    is_behind = page.after_file is not None
    name, file_id = page.after_file or ("", 0)
    return await statement.rows(
        tx,
        hash=path_hash(path),
        path=path,
        vo=vo,
        after_directory=page.after_directory or "",
        directories=0 if is_behind else page.limit + 1,
        after_name=name,
        after_id=file_id,
        files=page.limit + 1,
    )
