"""Fills the catalogue of a stack with files by SQL: directories of five hundred, a replica and two values each."""

import asyncpg

from weyl.kit.db import libpq_dsn

PER_DIRECTORY = 500
TOP = "/hep/bench"
BIG = f"{TOP}/big"
"""The directory with very many entries."""
RUNS = 100_000
"""Values of the field Run are skewed: half of all files have one of the lowest sixteenth."""

_DIRECTORIES = """
    INSERT INTO directories (parent_id, vo_id, path, path_hash, lineage, depth, owner_id, group_id, mode, created_at)
    SELECT t.dir_id, t.vo_id, p.path, substring(sha256(convert_to(p.path, 'UTF8')) FOR 16), t.lineage, 3, t.owner_id,
      t.group_id, 493, now()
    FROM directories t,
      (SELECT $1 || '/d' || lpad(CAST(number AS text), 7, '0') AS path
       FROM generate_series(1, CAST($2 AS bigint)) AS number) p
    WHERE t.path = $1
"""
_OWN_LINEAGE = "UPDATE directories SET lineage = lineage || dir_id WHERE path LIKE $1 AND dir_id <> ALL (lineage)"
_FILES = """
    INSERT INTO files (dir_id, name, size, adler32, sha256, owner_id, group_id, mode, status, created_at, modified_at)
    SELECT d.dir_id, 'f' || lpad(CAST(number AS text), 9, '0') || '.root', 1000000 + number, CAST(number AS int),
      sha256(CAST(CAST(number AS text) AS bytea)), d.owner_id, d.group_id, 420, 'Good', now(), now()
    FROM directories d, generate_series(CAST($2 AS bigint), CAST($3 AS bigint)) AS number WHERE d.path = $1
"""
_MANY_FILES = """
    INSERT INTO files (dir_id, name, size, adler32, sha256, owner_id, group_id, mode, status, created_at, modified_at)
    SELECT d.dir_id, 'f' || lpad(CAST(d.row * $2 + number AS text), 9, '0') || '.root', 1000000 + number,
      CAST((d.row * $2 + number) % 2000000000 AS int), sha256(CAST(CAST(d.row * $2 + number AS text) AS bytea)),
      d.owner_id, d.group_id, 420, 'Good', now(), now()
    FROM (SELECT *, row_number() OVER (ORDER BY path) AS row FROM directories WHERE path LIKE $1) d,
      generate_series(CAST(1 AS bigint), CAST($2 AS bigint)) AS number
"""
_REPLICAS = """
    INSERT INTO replicas (file_id, se_id, status, created_at, verified_at)
    SELECT f.file_id, (SELECT se_id FROM se_names WHERE name = $1), 'Good', now(), now()
    FROM files f LEFT JOIN replicas r USING (file_id) WHERE r.file_id IS NULL
"""
_INT = """
    INSERT INTO file_metadata_int (file_id, field_id, value)
    SELECT file_id, (SELECT field_id FROM metadata_fields WHERE name = 'Run'),
      CAST(floor(power(random(), 4) * $1) AS bigint)
    FROM files f WHERE NOT EXISTS (SELECT 1 FROM file_metadata_int v WHERE v.file_id = f.file_id)
"""
_TEXT = """
    INSERT INTO file_metadata_text (file_id, field_id, value)
    SELECT file_id, (SELECT field_id FROM metadata_fields WHERE name = 'Particle'),
      (ARRAY['gamma', 'proton', 'electron', 'muon'])[1 + CAST(floor(random() * 4) AS int)]
    FROM files f WHERE NOT EXISTS (SELECT 1 FROM file_metadata_text v WHERE v.file_id = f.file_id)
"""


async def load(url: str, files: int, *, se: str) -> None:
    """Add files until there are so many: half of them in one directory, the others five hundred in each.

    A file below `TOP` must have been registered at the storage element, and the fields Run and Particle declared.
    """
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        found = await connection.fetchval("SELECT count(*) FROM files")
        if found >= files:
            return
        await connection.execute("SET synchronous_commit = off")
        directories = max(1, files // 2 // PER_DIRECTORY)
        await connection.execute(_DIRECTORIES, TOP, directories)
        await connection.execute(_OWN_LINEAGE, f"{TOP}/d_______")
        await connection.execute(_FILES, BIG, 1, files // 2)
        await connection.execute(_MANY_FILES, f"{TOP}/d_______", PER_DIRECTORY)
        await connection.execute(_REPLICAS, se)
        await connection.execute(_INT, RUNS)
        await connection.execute(_TEXT)
        for table in ("directories", "files", "replicas", "file_metadata_int", "file_metadata_text"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()
