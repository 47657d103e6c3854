"""SQL of registration: what is known of the names of a call, and new files, replicas and edges to ancestors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from weyl.file_catalog.modes import FILE_BITS, Rights
from weyl.file_catalog.queries.lookup import ASKED, asked
from weyl.file_catalog.registrations import JobRun
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Known(NamedTuple):
    """A file that is registered, with the storage elements that have it; `number` is that of its name in the call."""

    number: int
    file_id: int
    dir_id: int
    size: int
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    guid: UUID | None
    job_id: int | None
    attempt: int | None
    ses: list[str] | None
    stored_at: str
    owner: str | None
    group: str | None
    mode: int
    dir_owner: str | None
    dir_group: str | None
    dir_mode: int

    @property
    def rights(self) -> Rights:
        """Whose the file is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def directory_rights(self) -> Rights:
        """Whose its directory is, and what others may do there."""
        return Rights(self.dir_owner, self.dir_group, self.dir_mode)


class _Known(NamedTuple):
    number: int
    file_id: int | None
    dir_id: int
    size: int | None
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    guid: UUID | None
    job_id: int | None
    attempt: int | None
    ses: list[str] | None
    stored_at: str
    owner: str | None
    group: str | None
    mode: int | None
    dir_owner: str | None
    dir_group: str | None
    dir_mode: int
    is_trashed: bool | None


@dataclass(frozen=True, slots=True)
class Registered:
    """What there is of some names: files, and directories, of each whether it is one that was removed."""

    files: dict[str, Known]
    directories: dict[str, bool]


# Few directories of files have directories in them, so that most names are looked for as files only.
_KNOWN = Sql(
    f"""
    WITH {ASKED}, below AS MATERIALIZED (
      SELECT p.place, EXISTS (SELECT 1 FROM directories x WHERE x.parent_id = p.dir_id OFFSET 0) AS is_parent
      FROM places p
    )
    SELECT w.number, f.file_id, f.dir_id, f.size, f.adler32, f.md5, f.sha1, f.sha256, f.guid, f.job_id, f.attempt,
      (SELECT array_agg(CAST(s.name AS text)) FROM replicas r JOIN se_names s USING (se_id) WHERE r.file_id = f.file_id)
        AS ses,
      coalesce(d.origin, d.path) AS stored_at, CAST(fo.name AS text) AS owner, CAST(fg.name AS text) AS "group",
      f.mode, CAST(o.name AS text) AS dir_owner, CAST(g.name AS text) AS dir_group, d.mode AS dir_mode, c.is_trashed
    FROM asked w JOIN places d ON d.place = w.place JOIN below b ON b.place = w.place
      LEFT JOIN LATERAL (
        SELECT * FROM files x WHERE x.dir_id = d.dir_id AND x.name = w.name AND x.status = 'Good' OFFSET 0
      ) f ON true
      LEFT JOIN LATERAL (
        SELECT x.trashed_at IS NOT NULL AS is_trashed FROM directories x
        WHERE b.is_parent AND x.parent_id = d.dir_id AND x.path = d.path || '/' || w.name OFFSET 0
      ) c ON true
      LEFT JOIN identities fo ON fo.identity_id = f.owner_id LEFT JOIN identities fg ON fg.identity_id = f.group_id
      LEFT JOIN identities o ON o.identity_id = d.owner_id LEFT JOIN identities g ON g.identity_id = d.group_id
    WHERE f.file_id IS NOT NULL OR c.is_trashed IS NOT NULL
    """,
    _Known,
)


async def select_known(tx: Tx, vo: str, lfns: Sequence[str]) -> Registered:
    """Return those of the names that are registered."""
    found = Registered({}, {})
    for row in await _KNOWN.rows(tx, vo=vo, **asked(lfns)):
        lfn = lfns[row.number - 1]
        if row.file_id is not None:
            found.files[lfn] = Known._make(row[:-1])
        if row.is_trashed is not None:
            found.directories[lfn] = row.is_trashed
    return found


class Storing(NamedTuple):
    """Where a replica is to lie; `is_own`: at the name of its file, of which nothing else is registered."""

    se: str
    path: str
    is_own: bool = False


_TAKEN = Sql(
    """
    WITH vo AS MATERIALIZED (SELECT vo_id FROM file_vos WHERE name = :vo),
    parents AS MATERIALIZED (
      SELECT * FROM unnest(CAST(:hashes AS bytea[]), CAST(:parents AS text[])) WITH ORDINALITY
        AS p (hash, parent, place)
    ), asked AS MATERIALIZED (
      SELECT a.number, a.place, a.name, e.se_id
      FROM unnest(CAST(:se_places AS integer[]), CAST(:places AS integer[]), CAST(:names AS text[])) WITH ORDINALITY
        AS a (se_place, place, name, number)
      JOIN (
        SELECT u.se_place, s.se_id FROM unnest(CAST(:ses AS varchar[])) WITH ORDINALITY AS u (se, se_place)
        JOIN se_names s ON s.name = u.se
      ) e ON e.se_place = coalesce(a.se_place, 1)
    ), elsewhere AS MATERIALIZED (
      -- the directories in which replicas lie that are told to: one look for all paths of most directories
      SELECT u.place, u.se_id, p.parent FROM (SELECT DISTINCT place, se_id FROM asked) u
      JOIN parents p ON p.place = u.place
      WHERE EXISTS (
        SELECT 1 FROM replicas r
        WHERE r.se_id = u.se_id AND r.pfn > p.parent || '/' AND r.pfn < p.parent || '0' OFFSET 0)
    ), storing AS MATERIALIZED (
      -- the directories whose files lie there by convention, and whether there is trash in them
      SELECT s.place, s.dir_id, s.is_here,
        EXISTS (SELECT 1 FROM files g WHERE g.dir_id = s.dir_id AND g.status <> 'Good' OFFSET 0) AS has_trash
      FROM (
        SELECT u.place, d.dir_id, true AS is_here FROM parents u CROSS JOIN LATERAL (
          SELECT dir_id FROM directories p
          WHERE p.path_hash = u.hash AND p.path = u.parent AND p.origin IS NULL AND p.vo_id = (SELECT vo_id FROM vo)
          OFFSET 0
        ) d
        UNION ALL
        SELECT u.place, d.dir_id, false FROM parents u CROSS JOIN LATERAL (
          SELECT dir_id FROM directories p WHERE p.origin = u.parent AND p.vo_id = (SELECT vo_id FROM vo) OFFSET 0
        ) d
      ) s
    ), named AS MATERIALIZED (
      SELECT a.number, a.se_id, f.file_id FROM asked a JOIN storing s ON s.place = a.place CROSS JOIN LATERAL (
        (SELECT file_id FROM files g
          WHERE NOT (CAST(:are_own AS boolean) AND s.is_here)
            AND g.dir_id = s.dir_id AND g.name = a.name AND g.status = 'Good')
        UNION ALL
        (SELECT file_id FROM files g
          WHERE s.has_trash AND g.dir_id = s.dir_id AND g.name = a.name AND g.status <> 'Good')
        OFFSET 0
      ) f
    )
    SELECT a.number FROM asked a JOIN elsewhere x ON x.place = a.place AND x.se_id = a.se_id
    WHERE EXISTS (
      SELECT 1 FROM replicas r WHERE r.se_id = a.se_id AND r.pfn = x.parent || '/' || a.name OFFSET 0)
    UNION
    SELECT n.number FROM named n CROSS JOIN LATERAL (
      SELECT 1 FROM replicas r WHERE r.file_id = n.file_id AND r.se_id = n.se_id AND r.pfn IS NULL OFFSET 0
    ) r
    """,
    int,
)


async def select_taken(tx: Tx, places: Sequence[Storing], *, vo: str) -> set[tuple[str, str]]:
    """Return those (storage element, storage path) that a replica has, of a file in the trash too."""
    ses: dict[str, int] = {}
    se_places = [ses.setdefault(place.se, len(ses) + 1) for place in places]
    numbers = await _TAKEN.rows(
        tx,
        vo=vo,
        se_places=se_places if len(ses) > 1 else None,
        ses=list(ses),
        are_own=all(place.is_own for place in places),
        **asked([place.path for place in places]),
    )
    return {places[number - 1][:2] for number in numbers}


class NewRow(NamedTuple):
    """A file that is to be registered."""

    dir_id: int
    name: str
    size: int
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    guid: UUID | None


class Signature(NamedTuple):
    """Who registers for whom: ids of the VO, the owner and the group, the run of a job, and who vouches, if anybody."""

    vo_id: int
    owner_id: int
    group_id: int
    job_id: int | None
    attempt: int | None
    voucher: str | None
    now: datetime


class Made(NamedTuple):
    """A file that was registered, and whether its directory is one that was removed."""

    file_id: int
    dir_id: int
    name: str
    is_trashed: bool


_INSERT = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT dir_id, mode, trashed_at FROM directories
      WHERE dir_id = ANY(CAST(:held AS bigint[])) ORDER BY dir_id FOR KEY SHARE
    ), made AS (
      INSERT INTO files (dir_id, name, size, adler32, md5, sha1, sha256, guid, owner_id, group_id, mode, status, job_id,
        attempt, created_at, modified_at)
      SELECT n.dir_id, n.name, n.size, n.adler32, n.md5, n.sha1, n.sha256, n.guid,
        CAST(:owner_id AS bigint), CAST(:group_id AS bigint), CAST(h.mode & CAST(:file_bits AS integer) AS smallint),
        'Good', CAST(:job_id AS bigint),
        CAST(:attempt AS integer), CAST(:now AS timestamptz), CAST(:now AS timestamptz)
      FROM unnest(CAST(:dir_ids AS bigint[]), CAST(:names AS text[]), CAST(:sizes AS bigint[]),
        CAST(:adlers AS integer[]), CAST(:md5s AS bytea[]), CAST(:sha1s AS bytea[]), CAST(:sha256s AS bytea[]),
        CAST(:guids AS uuid[]))
        AS n (dir_id, name, size, adler32, md5, sha1, sha256, guid)
      JOIN held h USING (dir_id)
      ORDER BY n.dir_id, n.name COLLATE "C"
      -- somebody else has registered it meanwhile
      ON CONFLICT (dir_id, name) WHERE status = 'Good' DO NOTHING
      RETURNING file_id, dir_id, name
    ), told AS (
      INSERT INTO registration_outbox (vo_id, kind, file_ids, at)
      SELECT CAST(:vo_id AS bigint), 'files', array_agg(file_id), CAST(:now AS timestamptz)
      FROM made HAVING count(*) > 0
    ), logged AS (
      INSERT INTO file_log (at, vo_id, author, action, file_ids)
      SELECT CAST(:now AS timestamptz), CAST(:vo_id AS bigint), CAST(:voucher AS text), 'trusted', array_agg(file_id)
      FROM made
      WHERE CAST(:voucher AS text) IS NOT NULL HAVING count(*) > 0
    )
    SELECT m.file_id, m.dir_id, m.name, h.trashed_at IS NOT NULL AS is_trashed FROM made m JOIN held h USING (dir_id)
    """,
    Made,
)


async def insert_files(tx: Tx, signature: Signature, rows: Sequence[NewRow]) -> list[Made]:
    """Register files, and tell of them; those whose name is taken, or whose directory is gone, are left out."""
    names = ("dir_ids", "names", "sizes", "adlers", "md5s", "sha1s", "sha256s", "guids")
    columns = {name: _sparse(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    held = sorted({row.dir_id for row in rows})
    return await _INSERT.rows(tx, held=held, file_bits=FILE_BITS, **columns, **signature._asdict())


def _sparse(column: Sequence[Any]) -> Sequence[Any] | None:
    """Return a column for `unnest`, which takes none for a column without values; the driver looks at each value."""
    return None if column.count(None) == len(column) else column


class NewCopy(NamedTuple):
    """A replica that is to be registered; `pfn` is its storage path where it is not the one by convention."""

    file_id: int
    se_id: int
    pfn: str | None


_COPIES = """
    WITH edges AS (
      INSERT INTO file_ancestors (file_id, ancestor_id)
      SELECT * FROM unnest(CAST(:children AS bigint[]), CAST(:ancestors AS bigint[])) ON CONFLICT DO NOTHING
    )
    INSERT INTO replicas (file_id, se_id, status, pfn, created_at, verified_at)
    SELECT n.file_id, n.se_id, 'Good', n.pfn, CAST(:now AS timestamptz), CAST(:verified_at AS timestamptz)
    FROM unnest(CAST(:file_ids AS bigint[]), CAST(:se_ids AS bigint[]), CAST(:pfns AS text[]))
      AS n (file_id, se_id, pfn)
"""
# What this transaction has made nobody else gives a replica: to look for one twice would take half as long again.
_INSERT_COPIES = {
    True: Sql(_COPIES),
    False: Sql(f"{_COPIES} ORDER BY n.file_id, n.se_id ON CONFLICT (file_id, se_id) DO NOTHING"),
}


async def insert_copies(
    tx: Tx,
    copies: Sequence[NewCopy],
    edges: Sequence[tuple[int, int]],
    *,
    verified_at: datetime | None,
    now: datetime,
    are_new: bool,
) -> None:
    """Register replicas, and edges from files to their ancestors; `are_new`: of files of this transaction only."""
    await _INSERT_COPIES[are_new].run(
        tx,
        file_ids=[copy.file_id for copy in copies],
        se_ids=[copy.se_id for copy in copies],
        pfns=_sparse([copy.pfn for copy in copies]),
        children=[child for child, _ in edges],
        ancestors=[ancestor for _, ancestor in edges],
        verified_at=verified_at,
        now=now,
    )


_HOLD_FILES = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT file_id FROM files WHERE file_id = ANY(CAST(:file_ids AS bigint[])) AND status = 'Good'
      ORDER BY file_id FOR NO KEY UPDATE
    ), told AS (
      INSERT INTO registration_outbox (vo_id, kind, file_ids, at)
      SELECT CAST(:vo_id AS bigint), 'replica', array_agg(file_id), CAST(:now AS timestamptz)
      FROM held HAVING count(*) > 0
    )
    SELECT file_id FROM held
    """,
    int,
)


async def hold_files(tx: Tx, vo_id: int, file_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Keep files that get replicas as they are until the transaction ends, and tell of them; those that still exist."""
    return await _HOLD_FILES.rows(tx, vo_id=vo_id, file_ids=list(file_ids), now=now)


_TRASH_EARLIER = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT file_id FROM files WHERE job_id = :job_id AND attempt < :attempt AND status = 'Good'
      ORDER BY file_id FOR UPDATE
    ), trashed AS (
      UPDATE files f SET status = 'Trash', trashed_at = CAST(:now AS timestamptz),
        modified_at = CAST(:now AS timestamptz)
      FROM held WHERE f.file_id = held.file_id RETURNING f.file_id
    )
    INSERT INTO file_log (at, vo_id, author, action, reason, file_ids)
    SELECT CAST(:now AS timestamptz), CAST(:vo_id AS bigint), CAST(:author AS text), 'delete', CAST(:reason AS text),
      array_agg(file_id)
    FROM trashed HAVING count(*) > 0
    """
)


async def trash_earlier(tx: Tx, vo_id: int, job: JobRun, *, author: str, now: datetime) -> None:
    """Move to the trash what earlier attempts of a job have registered."""
    await _TRASH_EARLIER.run(
        tx,
        job_id=job.job_id,
        attempt=job.attempt,
        now=now,
        vo_id=vo_id,
        author=author,
        reason=f"Attempt {job.attempt} of job {job.job_id} has registered its own",
    )
