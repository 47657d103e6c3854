"""A small catalogue whose every value is known, put into the database as registration would leave it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from weyl.file_catalog import fields
from weyl.file_catalog.fields import AppliesTo, DeclaredField
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.queries.fields import insert_field, keep_vo, select_fields
from weyl.file_catalog.service.metadata import put_values
from weyl.kit.db import Tx, driver_connection

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


async def declare(tx: Tx, vo: str, declared: tuple[DeclaredField, ...]) -> Mapping[str, DeclaredField]:
    """Declare fields of a VO."""
    vo_id = await keep_vo(tx, vo)
    for each in declared:
        await insert_field(tx, vo_id, each, author="alice", now=NOW, most=1_000)
    return await select_fields(tx, vo)


async def put_directories(tx: Tx, vo: str, paths: Mapping[str, tuple[str, str, int]]) -> dict[str, int]:
    """Make directories, those above first: owner, group and mode by path; returns their ids."""
    connection = await driver_connection(tx)
    vo_id, ids, lineages = await keep_vo(tx, vo), dict[str, int](), dict[str, list[int]]()
    for path, (owner, group, mode) in paths.items():
        dir_id = await connection.fetchval("SELECT nextval('directories_dir_id_seq')")
        ids[path], lineages[path] = dir_id, [*lineages.get(path.rpartition("/")[0], ()), dir_id]
        await connection.execute(
            """
            INSERT INTO directories (dir_id, parent_id, vo_id, path, path_hash, lineage, depth, owner_id, group_id,
              mode, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            dir_id,
            lineages[path][-2] if len(lineages[path]) > 1 else None,
            vo_id,
            path,
            path_hash(path),
            lineages[path],
            path.count("/"),
            await _identity(tx, owner),
            await _identity(tx, group),
            mode,
            NOW,
        )
    return ids


async def put_files(
    tx: Tx, vo: str, directories: Mapping[str, int], files: Mapping[str, Mapping[str, Any]]
) -> dict[str, int]:
    """Make files of alice with values; `Size` is theirs too. Returns their ids."""
    connection = await driver_connection(tx)
    declared = await select_fields(tx, vo)
    owner, group = await _identity(tx, "alice"), await _identity(tx, "user")
    ids: dict[str, int] = {}
    for lfn, values in files.items():
        directory, _, name = lfn.rpartition("/")
        ids[lfn] = await connection.fetchval(
            """
            INSERT INTO files (dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at)
            VALUES ($1, $2, $3, $4, $5, 420, 'Good', $6, $6) RETURNING file_id
            """,
            directories[directory],
            name,
            values.get("Size", 0),
            owner,
            group,
            NOW,
        )
    typed = [
        (
            ids[lfn],
            fields.values_of(
                declared, {name: each for name, each in values.items() if name != "Size"}, on=AppliesTo.FILE
            ),
        )
        for lfn, values in files.items()
    ]
    await put_values(tx, typed)
    return ids


async def _identity(tx: Tx, name: str) -> int:
    connection = await driver_connection(tx)
    number: int = await connection.fetchval(
        "INSERT INTO identities (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING identity_id",
        name,
    )
    return number
