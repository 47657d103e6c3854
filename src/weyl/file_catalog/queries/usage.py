"""SQL of usage: what is folded of each directory, what is not yet, folding, and the recount that checks both."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.file_catalog.modes import Rights
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

FOLD_LOCK = 7301126500384331
"""The advisory lock of whoever folds, or moves or drops what was folded: `file_fold_lock()` of `triggers.sql`."""
FOLDED_MAX = 20_000
"""Deltas of one transaction."""


class Used(NamedTuple):
    """What lies in a directory and below it, on one storage element, or of files as such (`se` is None)."""

    number: int
    dir_mode: int
    owner: str | None
    group: str | None
    se: str | None
    files: int
    bytes: int
    trash_files: int
    trash_bytes: int

    @property
    def rights(self) -> Rights:
        """Whose the directory is, and what others may do."""
        return Rights(self.owner, self.group, self.dir_mode)


_USED = Sql(
    """
    WITH asked AS MATERIALIZED (
      SELECT w.number, d.dir_id, d.mode, d.owner_id, d.group_id
      FROM unnest(CAST(:hashes AS bytea[]), CAST(:paths AS text[])) WITH ORDINALITY AS w (hash, path, number)
        CROSS JOIN LATERAL (
          SELECT * FROM directories p WHERE p.path_hash = w.hash AND p.path = w.path
            AND p.vo_id = (SELECT vo_id FROM file_vos WHERE name = :vo) OFFSET 0
        ) d
    ), fresh AS MATERIALIZED (
      SELECT l.dir_id, x.se_id, x.files, x.bytes, x.trash_files, x.trash_bytes
      FROM file_usage_deltas x
        CROSS JOIN LATERAL (SELECT lineage FROM directories b WHERE b.dir_id = x.dir_id OFFSET 0) b,
        unnest(b.lineage) AS l (dir_id)
      WHERE l.dir_id IN (SELECT dir_id FROM asked)
    ), every AS (
      SELECT a.number, u.se_id, u.files, u.bytes, u.trash_files, u.trash_bytes
      FROM asked a JOIN file_usage u USING (dir_id)
      UNION ALL
      SELECT a.number, u.se_id, u.files, u.bytes, u.trash_files, u.trash_bytes
      FROM asked a JOIN fresh u USING (dir_id)
      UNION ALL
      SELECT a.number, 0, 0, 0, 0, 0 FROM asked a
    ), summed AS (
      SELECT number, se_id, CAST(sum(files) AS bigint) AS files, CAST(sum(bytes) AS bigint) AS bytes,
        CAST(sum(trash_files) AS bigint) AS trash_files, CAST(sum(trash_bytes) AS bigint) AS trash_bytes
      FROM every GROUP BY number, se_id
    )
    SELECT s.number, a.mode AS dir_mode, CAST(o.name AS text) AS owner, CAST(g.name AS text) AS "group",
      CAST(n.name AS text) AS se, s.files, s.bytes, s.trash_files, s.trash_bytes
    FROM summed s JOIN asked a USING (number)
      LEFT JOIN se_names n ON n.se_id = s.se_id
      LEFT JOIN identities o ON o.identity_id = a.owner_id
      LEFT JOIN identities g ON g.identity_id = a.group_id
    WHERE s.se_id = 0 OR (s.files, s.trash_files) <> (0, 0)
    ORDER BY s.number, n.name
    """,
    Used,
)


async def select_used(tx: Tx, vo: str, paths: Sequence[str]) -> list[Used]:
    """Return what lies below directories: of files as such, and per storage element."""
    return await _USED.rows(tx, vo=vo, hashes=list(map(path_hash, paths)), paths=list(paths))


_HAS_DELTAS = Sql("SELECT EXISTS (SELECT 1 FROM file_usage_deltas)", bool)


async def has_deltas(tx: Tx) -> bool:
    """Tell whether there is anything to fold."""
    return await _HAS_DELTAS.one(tx)


_LOCK = Sql(f"SELECT pg_advisory_xact_lock({FOLD_LOCK})")


async def lock_fold(tx: Tx) -> None:
    """Wait for whoever folds or moves, and keep others from it until the transaction ends."""
    await _LOCK.run(tx)


_FOLD = Sql(
    """
    WITH taken AS (
      DELETE FROM file_usage_deltas WHERE delta_id IN (
        SELECT delta_id FROM file_usage_deltas ORDER BY delta_id LIMIT CAST(:limit AS integer))
      RETURNING dir_id, se_id, files, bytes, trash_files, trash_bytes
    ), summed AS (
      SELECT l.dir_id, t.se_id, sum(t.files) AS files, sum(t.bytes) AS bytes, sum(t.trash_files) AS trash_files,
        sum(t.trash_bytes) AS trash_bytes
      FROM taken t CROSS JOIN LATERAL (SELECT lineage FROM directories b WHERE b.dir_id = t.dir_id OFFSET 0) d,
        unnest(d.lineage) AS l (dir_id)
      GROUP BY l.dir_id, t.se_id
    ), kept AS (
      INSERT INTO file_usage AS u (dir_id, se_id, files, bytes, trash_files, trash_bytes)
      SELECT dir_id, se_id, files, bytes, trash_files, trash_bytes FROM summed
      WHERE (files, bytes, trash_files, trash_bytes) <> (0, 0, 0, 0)
      ORDER BY dir_id, se_id
      ON CONFLICT (dir_id, se_id) DO UPDATE SET files = u.files + excluded.files, bytes = u.bytes + excluded.bytes,
        trash_files = u.trash_files + excluded.trash_files, trash_bytes = u.trash_bytes + excluded.trash_bytes
    )
    SELECT count(*) FROM taken
    """,
    int,
)


async def fold(tx: Tx, *, limit: int = FOLDED_MAX) -> int:
    """Add the oldest deltas to all directories above; returns how many there were. Needs the lock of the fold."""
    return await _FOLD.one(tx, limit=limit)


class Off(NamedTuple):
    """A sum that is not what a recount says."""

    dir_id: int
    se_id: int
    files: int
    bytes: int
    trash_files: int
    trash_bytes: int


# Every directory, as the sum over those below, next to what is folded and not folded: in one snapshot.
_RECOUNT = """
    WITH own AS (
      SELECT f.dir_id, CAST(0 AS bigint) AS se_id, f.size, f.status = 'Good' AS is_good FROM files f
      UNION ALL
      SELECT f.dir_id, r.se_id, f.size, f.status = 'Good' FROM replicas r JOIN files f USING (file_id)
    ), of_directories AS (
      SELECT dir_id, se_id, count(*) FILTER (WHERE is_good) AS files,
        coalesce(sum(size) FILTER (WHERE is_good), 0) AS bytes,
        count(*) FILTER (WHERE NOT is_good) AS trash_files,
        coalesce(sum(size) FILTER (WHERE NOT is_good), 0) AS trash_bytes
      FROM own GROUP BY dir_id, se_id
    ), parts AS (
      SELECT l.dir_id, c.se_id, c.files, c.bytes, c.trash_files, c.trash_bytes
      FROM of_directories c JOIN directories d USING (dir_id), unnest(d.lineage) AS l (dir_id)
      UNION ALL
      SELECT dir_id, se_id, -files, -bytes, -trash_files, -trash_bytes FROM file_usage
      UNION ALL
      SELECT l.dir_id, x.se_id, -x.files, -x.bytes, -x.trash_files, -x.trash_bytes
      FROM file_usage_deltas x JOIN directories d USING (dir_id), unnest(d.lineage) AS l (dir_id)
    )
    SELECT dir_id, se_id, CAST(sum(files) AS bigint) AS files, CAST(sum(bytes) AS bigint) AS bytes,
      CAST(sum(trash_files) AS bigint) AS trash_files, CAST(sum(trash_bytes) AS bigint) AS trash_bytes
    FROM parts GROUP BY dir_id, se_id
    HAVING sum(files) <> 0 OR sum(bytes) <> 0 OR sum(trash_files) <> 0 OR sum(trash_bytes) <> 0
"""
_OFF = Sql(_RECOUNT, Off)


async def recount(tx: Tx) -> list[Off]:
    """Return the sums that are wrong, and by how much; reads the whole catalogue in one statement, for tests."""
    return await _OFF.rows(tx)


_NEXT = Sql(
    "SELECT dir_id FROM directories WHERE dir_id > CAST(:after AS bigint) ORDER BY dir_id LIMIT CAST(:size AS integer)",
    int,
)


async def select_next(tx: Tx, *, after: int, size: int) -> list[int]:
    """Return the next directories by id."""
    return await _NEXT.rows(tx, after=after, size=size)


# What a directory has must be what its own files come to and what those directly in it have. Where that holds for each
# directory, every sum is right; so a check needs no more than some directories at a time.
_RESIDUES = Sql(
    """
    WITH family AS MATERIALIZED (
      SELECT id AS home, id AS dir_id, -1 AS sign FROM unnest(CAST(:dir_ids AS bigint[])) AS id
      UNION ALL
      SELECT id, c.dir_id, 1 FROM unnest(CAST(:dir_ids AS bigint[])) AS id
        CROSS JOIN LATERAL (SELECT dir_id FROM directories x WHERE x.parent_id = id OFFSET 0) c
    ), own AS MATERIALIZED (
      SELECT id AS dir_id, f.file_id, f.size, f.status = 'Good' AS is_good
      FROM unnest(CAST(:dir_ids AS bigint[])) AS id
        CROSS JOIN LATERAL (SELECT * FROM files x WHERE x.dir_id = id OFFSET 0) f
    ), counted AS (
      SELECT dir_id, CAST(0 AS bigint) AS se_id, size, is_good FROM own
      UNION ALL
      SELECT o.dir_id, r.se_id, o.size, o.is_good
      FROM own o CROSS JOIN LATERAL (SELECT se_id FROM replicas x WHERE x.file_id = o.file_id OFFSET 0) r
    ), parts AS (
      SELECT f.home AS dir_id, u.se_id, f.sign * u.files AS files, f.sign * u.bytes AS bytes,
        f.sign * u.trash_files AS trash_files, f.sign * u.trash_bytes AS trash_bytes
      FROM family f CROSS JOIN LATERAL (SELECT * FROM file_usage x WHERE x.dir_id = f.dir_id OFFSET 0) u
      UNION ALL
      SELECT f.home, x.se_id, f.sign * x.files, f.sign * x.bytes, f.sign * x.trash_files, f.sign * x.trash_bytes
      FROM file_usage_deltas x
        CROSS JOIN LATERAL (SELECT lineage FROM directories b WHERE b.dir_id = x.dir_id OFFSET 0) d,
        unnest(d.lineage) AS l (dir_id) JOIN family f ON f.dir_id = l.dir_id
      UNION ALL
      SELECT dir_id, se_id, count(*) FILTER (WHERE is_good), coalesce(sum(size) FILTER (WHERE is_good), 0),
        count(*) FILTER (WHERE NOT is_good), coalesce(sum(size) FILTER (WHERE NOT is_good), 0)
      FROM counted GROUP BY dir_id, se_id
    )
    SELECT dir_id, se_id, CAST(sum(files) AS bigint) AS files, CAST(sum(bytes) AS bigint) AS bytes,
      CAST(sum(trash_files) AS bigint) AS trash_files, CAST(sum(trash_bytes) AS bigint) AS trash_bytes
    FROM parts GROUP BY dir_id, se_id
    HAVING sum(files) <> 0 OR sum(bytes) <> 0 OR sum(trash_files) <> 0 OR sum(trash_bytes) <> 0
    """,
    Off,
)


async def select_residues(tx: Tx, dir_ids: Sequence[int]) -> list[Off]:
    """Return by how much directories have less than what is in them comes to, where the two differ."""
    return await _RESIDUES.rows(tx, dir_ids=list(dir_ids))


_ADD = Sql(
    """
    INSERT INTO file_usage_deltas (dir_id, se_id, files, bytes, trash_files, trash_bytes)
    SELECT * FROM unnest(CAST(:dir_ids AS bigint[]), CAST(:se_ids AS bigint[]), CAST(:files AS bigint[]),
      CAST(:bytes AS bigint[]), CAST(:trash_files AS bigint[]), CAST(:trash_bytes AS bigint[]))
    """
)


async def add_residues(tx: Tx, residues: Sequence[Off]) -> None:
    """Add to directories what they lack, and to all above them: together that sets every sum right."""
    columns = list(zip(*residues, strict=True))
    names = ("dir_ids", "se_ids", "files", "bytes", "trash_files", "trash_bytes")
    await _ADD.run(tx, **{name: list(column) for name, column in zip(names, columns, strict=True)})
