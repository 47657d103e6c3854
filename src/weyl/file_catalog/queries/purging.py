"""SQL of purging, and of comparing: files on their way out, and replicas in the order of their storage paths."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.config.lfns import storage_path
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Doomed(NamedTuple):
    """A file that is being purged, with what is known of its replicas."""

    file_id: int
    directory: str
    name: str
    trashed_at: datetime
    stored_at: str
    ses: list[str] | None
    pfns: list[str | None] | None

    @property
    def replicas(self) -> list[tuple[str, str]]:
        """Storage element and storage path of each replica."""
        pairs = zip(self.ses or (), self.pfns or (), strict=True)
        return [(se, storage_path(self.stored_at, self.name, pfn)) for se, pfn in pairs]


_DOOM = Sql(
    """
    WITH looked AS MATERIALIZED (
      -- the trash of all VOs is in one index
      SELECT file_id, trashed_at, dir_id FROM files
      WHERE trashed_at <= CAST(:before AS timestamptz)
        AND (trashed_at, file_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
      ORDER BY trashed_at, file_id LIMIT CAST(:looked AS integer)
    ), mine AS MATERIALIZED (
      SELECT l.file_id, l.trashed_at FROM looked l CROSS JOIN LATERAL (
        SELECT vo_id FROM directories x WHERE x.dir_id = l.dir_id OFFSET 0
      ) d
      WHERE d.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo)
    ), held AS MATERIALIZED (
      SELECT f.file_id, f.status FROM mine m JOIN files f USING (file_id)
      WHERE f.status <> 'Good' AND NOT EXISTS (
        SELECT FROM replicas r WHERE r.file_id = f.file_id AND r.created_at > CAST(:stored_before AS timestamptz))
      ORDER BY m.trashed_at, m.file_id LIMIT CAST(:limit AS integer) FOR UPDATE OF f SKIP LOCKED
    ), marked AS (
      UPDATE files f SET status = 'Purging' FROM held h WHERE f.file_id = h.file_id AND h.status = 'Trash'
    )
    SELECT f.file_id, d.path AS directory, f.name, f.trashed_at, coalesce(d.origin, d.path) AS stored_at, c.ses, c.pfns
    FROM held h JOIN files f USING (file_id) JOIN directories d USING (dir_id)
      LEFT JOIN LATERAL (
        SELECT array_agg(CAST(s.name AS text) ORDER BY s.name) AS ses, array_agg(r.pfn ORDER BY s.name) AS pfns
        FROM replicas r JOIN se_names s USING (se_id) WHERE r.file_id = f.file_id
      ) c ON true
    ORDER BY f.trashed_at, f.file_id
    """,
    Doomed,
)


Place = tuple[datetime, int]
"""Where somebody is in the trash: when a file went there, and its id."""


class Due(NamedTuple):
    """By when a file must have gone to the trash, and each of its replicas must have been registered."""

    before: datetime
    stored_before: datetime


async def doom_files(tx: Tx, vo: str, due: Due, *, after: Place, limit: int, looked: int) -> list[Doomed]:
    """Mark files of the trash as on their way out, and hold them; those that somebody else holds are passed by.

    Of the trash of all VOs the next `looked` files are looked at.
    """
    after_at, after_id = after
    return await _DOOM.rows(
        tx, vo=vo, **due._asdict(), after_at=after_at, after_id=after_id, limit=limit, looked=looked
    )


_LAST_LOOKED = Sql(
    """
    SELECT trashed_at, file_id FROM files
    WHERE trashed_at <= CAST(:before AS timestamptz)
      AND (trashed_at, file_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
    ORDER BY trashed_at, file_id OFFSET CAST(:looked AS integer) - 1 LIMIT 1
    """,
    tuple[datetime, int],
)


async def last_looked(tx: Tx, *, before: datetime, after: Place, looked: int) -> Place | None:
    """Return the last of the files that `doom_files` looks at; None if it comes to the end of the trash."""
    return await _LAST_LOOKED.first(tx, before=before, after_at=after[0], after_id=after[1], looked=looked)


_DELETE_REPLICAS = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT file_id FROM files WHERE file_id = ANY(CAST(:file_ids AS bigint[])) AND status = 'Purging'
      ORDER BY file_id FOR UPDATE
    )
    DELETE FROM replicas r USING held h WHERE r.file_id = h.file_id
    """
)
_DELETE_FILES = Sql(
    """
    WITH ints AS (DELETE FROM file_metadata_int WHERE file_id = ANY(CAST(:file_ids AS bigint[]))),
    floats AS (DELETE FROM file_metadata_float WHERE file_id = ANY(CAST(:file_ids AS bigint[]))),
    texts AS (DELETE FROM file_metadata_text WHERE file_id = ANY(CAST(:file_ids AS bigint[]))),
    times AS (DELETE FROM file_metadata_time WHERE file_id = ANY(CAST(:file_ids AS bigint[]))),
    docs AS (DELETE FROM file_metadata_doc WHERE file_id = ANY(CAST(:file_ids AS bigint[]))),
    buried AS (
      INSERT INTO tombstones (at, file_id, vo_id, lfn, size, adler32, md5, sha1, sha256, reason, author)
      SELECT CAST(:now AS timestamptz), f.file_id, d.vo_id, d.path || '/' || f.name, f.size, f.adler32, f.md5, f.sha1,
        f.sha256, CAST(:reason AS text), CAST(:author AS text)
      FROM files f JOIN directories d USING (dir_id)
      WHERE f.file_id = ANY(CAST(:file_ids AS bigint[])) AND f.status = 'Purging'
    )
    DELETE FROM files WHERE file_id = ANY(CAST(:file_ids AS bigint[])) AND status = 'Purging'
    """
)


async def delete_files(tx: Tx, file_ids: Sequence[int], *, author: str, reason: str | None, now: datetime) -> int:
    """Delete files that are being purged, their replicas first; their names stay on tombstones. Returns how many."""
    await _DELETE_REPLICAS.run(tx, file_ids=list(file_ids))
    return await _DELETE_FILES.run(tx, file_ids=list(file_ids), author=author, reason=reason, now=now)


_DROP = Sql(
    """
    WITH given AS MATERIALIZED (
      SELECT g.file_id, s.se_id FROM unnest(CAST(:file_ids AS bigint[]), CAST(:ses AS varchar[])) AS g (file_id, se)
        JOIN se_names s ON s.name = g.se
    ), held AS MATERIALIZED (
      SELECT f.file_id FROM files f WHERE f.file_id IN (SELECT file_id FROM given) ORDER BY f.file_id FOR NO KEY UPDATE
    )
    DELETE FROM replicas r USING given g JOIN held USING (file_id) WHERE r.file_id = g.file_id AND r.se_id = g.se_id
    """
)


async def drop_replicas(tx: Tx, pairs: Sequence[tuple[int, str]]) -> int:
    """Drop replicas (file, storage element) whose bytes are gone; returns how many there were."""
    return await _DROP.run(tx, file_ids=[file_id for file_id, _ in pairs], ses=[se for _, se in pairs])


class Stuck(NamedTuple):
    """Replicas of a VO at a storage element that were to be purged, and since when the oldest is in the trash."""

    vo: str
    se: str
    replicas: int
    since: datetime


# What is being purged has been in the trash for longer than what is not.
_STUCK = Sql(
    """
    WITH oldest AS MATERIALIZED (
      SELECT file_id, dir_id, status, trashed_at FROM files WHERE trashed_at IS NOT NULL
      ORDER BY trashed_at, file_id LIMIT CAST(:looked AS integer)
    )
    SELECT CAST(v.name AS text) AS vo, CAST(s.name AS text) AS se, count(*) AS replicas, min(o.trashed_at) AS since
    FROM oldest o JOIN directories d USING (dir_id) JOIN file_vos v USING (vo_id) JOIN replicas r USING (file_id)
      JOIN se_names s USING (se_id)
    WHERE o.status = 'Purging' GROUP BY v.name, s.name ORDER BY v.name, s.name
    """,
    Stuck,
)


async def select_stuck(tx: Tx, *, looked: int) -> list[Stuck]:
    """Return what was to be purged and is still there, among so many files that are in the trash for the longest."""
    return await _STUCK.rows(tx, looked=looked)


class Lying(NamedTuple):
    """A replica by its storage path, and up to where there is no other that was not looked at.

    That is the last of the directories, or of the names of one of them; none where all were looked at.
    """

    path: str
    lfn: str
    size: int
    adler32: int | None
    md5: bytes | None
    sha1: bytes | None
    sha256: bytes | None
    status: str
    file_status: str
    directory_bound: str | None
    name_bound: str | None


class Reach(NamedTuple):
    """How far one statement looks: directories behind a path, names of each, and names of those that lead there."""

    directories: int
    names: int
    names_above: int


# What lies behind a path lies in a directory that comes after it, or in one that its own name begins with; and what
# lies in a directory behind the last of these, comes after that one's name. Of each directory the next names are read,
# by an index: all of those of one name, since files of the trash may share it with another.
_LYING = Sql(
    """
    WITH se AS MATERIALIZED (SELECT se_id FROM se_names WHERE name = :se),
    vo AS MATERIALIZED (SELECT vo_id FROM file_vos WHERE name = :vo),
    near AS MATERIALIZED (
      SELECT dir_id, path, stored FROM (
        (SELECT dir_id, path, path AS stored FROM directories
          WHERE path > CAST(:after AS text) AND origin IS NULL AND vo_id = (SELECT vo_id FROM vo)
          ORDER BY path LIMIT CAST(:directories AS integer))
        UNION ALL
        (SELECT dir_id, path, origin FROM directories
          WHERE origin > CAST(:after AS text) AND origin IS NOT NULL AND vo_id = (SELECT vo_id FROM vo)
          ORDER BY origin LIMIT CAST(:directories AS integer))
      ) d ORDER BY stored COLLATE "C" LIMIT CAST(:directories AS integer)
    ), above AS MATERIALIZED (
      SELECT stored, behind FROM unnest(CAST(:prefixes AS text[]), CAST(:behind AS text[])) AS a (stored, behind)
    ), looked AS MATERIALIZED (
      SELECT dir_id, path, stored, '' AS behind, CAST(:names AS integer) AS names FROM near
      UNION ALL
      SELECT d.dir_id, d.path, d.path, a.behind, CAST(:names_above AS integer)
        FROM above a JOIN directories d ON d.path = a.stored
        WHERE d.origin IS NULL AND d.vo_id = (SELECT vo_id FROM vo)
      UNION ALL
      SELECT d.dir_id, d.path, d.origin, a.behind, CAST(:names_above AS integer)
        FROM above a JOIN directories d ON d.origin = a.stored WHERE d.vo_id = (SELECT vo_id FROM vo)
    ), named AS MATERIALIZED (
      SELECT l.dir_id, l.path AS directory, l.stored, l.names, f.* FROM looked l CROSS JOIN LATERAL (
        SELECT file_id, name, size, adler32, md5, sha1, sha256, status FROM (
          (SELECT * FROM files WHERE dir_id = l.dir_id AND name > l.behind AND status = 'Good'
            ORDER BY name FETCH FIRST (l.names) ROWS WITH TIES)
          UNION ALL
          (SELECT * FROM files WHERE dir_id = l.dir_id AND name > l.behind AND status <> 'Good'
            ORDER BY name FETCH FIRST (l.names) ROWS WITH TIES)
        ) g ORDER BY name FETCH FIRST (l.names) ROWS WITH TIES
      ) f
    ), bound AS (
      SELECT
        (SELECT max(stored COLLATE "C") FROM near HAVING count(*) = CAST(:directories AS integer)) AS of_directories,
        (SELECT min((stored || '/' || name) COLLATE "C") FROM (
          SELECT stored, max(name) AS name FROM named GROUP BY dir_id, stored, names HAVING count(*) >= names
        ) cut) AS of_names
    ), lying AS (
      (SELECT n.stored || '/' || n.name AS path, n.directory || '/' || n.name AS lfn, n.size, n.adler32, n.md5, n.sha1,
        n.sha256, r.status, n.status AS file_status
        FROM named n JOIN replicas r USING (file_id)
        WHERE r.se_id = (SELECT se_id FROM se) AND r.pfn IS NULL
        ORDER BY (n.stored || '/' || n.name) COLLATE "C" LIMIT CAST(:limit AS integer))
      UNION ALL
      (SELECT r.pfn, d.path || '/' || f.name, f.size, f.adler32, f.md5, f.sha1, f.sha256, r.status, f.status
        FROM replicas r JOIN files f USING (file_id) JOIN directories d USING (dir_id)
        WHERE r.se_id = (SELECT se_id FROM se) AND r.pfn > CAST(:after AS text) AND d.vo_id = (SELECT vo_id FROM vo)
        ORDER BY r.pfn LIMIT CAST(:limit AS integer))
    )
    SELECT l.path, l.lfn, l.size, l.adler32, l.md5, l.sha1, l.sha256, CAST(l.status AS text) AS status,
      CAST(l.file_status AS text) AS file_status, b.of_directories AS directory_bound, b.of_names AS name_bound
    FROM bound b LEFT JOIN lying l
      ON l.path COLLATE "C" <= coalesce(least(b.of_directories COLLATE "C", b.of_names COLLATE "C"), l.path)
    ORDER BY l.path COLLATE "C" LIMIT CAST(:limit AS integer)
    """,
    Lying,
)


async def select_lying(
    tx: Tx, vo: str, se: str, *, after: str, limit: int, reach: Reach
) -> tuple[list[Lying], str | None, str | None]:
    """Return replicas behind a storage path, in the order of bytes, and up to where these are all there are.

    That is the lower one of two paths: of a directory, and of a file.
    """
    leading = list(_leading(after))
    rows = await _LYING.rows(
        tx,
        vo=vo,
        se=se,
        after=after,
        prefixes=[prefix for prefix, _ in leading],
        behind=[name for _, name in leading],
        limit=limit,
        **reach._asdict(),
    )
    of_directories, of_names = (rows[0].directory_bound, rows[0].name_bound) if rows else (None, None)
    return [row for row in rows if row.path is not None], of_directories, of_names


def _leading(after: str) -> Iterator[tuple[str, str]]:
    """Yield the directories that a path begins with and that may have names behind it, each with the last before those.

    `/a-b` comes before what lies in `/a`, and `/ab` after all of that.
    """
    for end in range(1, len(after) + 1):
        rest = after[end : end + 1]
        if rest <= "/":
            yield after[:end], after[end + 1 :] if rest == "/" else ""
