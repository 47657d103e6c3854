"""What statements cost: no plan reads a whole table, and a look-up touches a few pages per name at any size."""

import importlib
import json
import pkgutil
import re
from typing import Any

import pytest

import weyl.file_catalog.queries
from weyl.file_catalog.queries import lookup
from weyl.kit.db import Database, Tx, driver_connection
from weyl.kit.sql import Sql

DIRECTORIES, FILES = 10_000, 30_000
# A recount reads the whole catalogue, once per night.
WHOLE = {"usage._OFF"}
_SCAN = re.compile(r"Seq Scan on (files|replicas|directories|file_ancestors)\b")

_LOAD = """
INSERT INTO file_vos (name) VALUES ('voa');
INSERT INTO identities (name) VALUES ('alice'), ('user');
INSERT INTO se_names (name) SELECT 'SE-' || n FROM generate_series(1, 5) AS n;
INSERT INTO directories (parent_id, vo_id, path, path_hash, lineage, depth, mode, created_at, origin, trashed_at)
  SELECT CASE WHEN n > 1 THEN n / 100 + 1 END, 1, p, substring(sha256(convert_to(p, 'UTF8')) FROM 1 FOR 16),
    CASE WHEN n > 1 THEN ARRAY[1, n] ELSE ARRAY[1] END, 1, 493, now(), CASE WHEN n % 50 = 7 THEN '/voa/old' || n END,
    CASE WHEN n % 50 = 9 THEN now() END
  FROM generate_series(1, {directories}) AS n, LATERAL (
    SELECT '/voa' || CASE WHEN n > 1 THEN '/d' || n ELSE '' END AS p) AS path;
INSERT INTO files (dir_id, name, size, adler32, owner_id, group_id, mode, status, job_id, created_at, modified_at,
    trashed_at)
  SELECT 1 + n % {directories}, 'f' || n, n, n, 1, 2, 420, CASE WHEN n % 20 = 0 THEN 'Trash' ELSE 'Good' END,
    CASE WHEN n % 3 = 0 THEN n / 30 END, now(), now(), CASE WHEN n % 20 = 0 THEN now() END
  FROM generate_series(1, {files}) AS n;
INSERT INTO replicas (file_id, se_id, status, pfn, created_at)
  SELECT file_id, 1 + (file_id + k) % 5, 'Good', CASE WHEN file_id % 40 = 0 THEN '/voa/p' || file_id || k END, now()
  FROM files, generate_series(1, 2) AS k;
INSERT INTO file_ancestors SELECT file_id, file_id - 1 FROM files WHERE file_id > 1;
INSERT INTO file_metadata_int SELECT file_id, 1, file_id % 1000 FROM files;
INSERT INTO file_metadata_float SELECT file_id, 2, file_id % 1000 FROM files;
INSERT INTO file_metadata_text SELECT file_id, 3, 'v' || file_id % 1000 FROM files;
INSERT INTO file_metadata_time SELECT file_id, 4, now() FROM files;
INSERT INTO file_metadata_doc SELECT file_id, '{}' FROM files;
INSERT INTO tombstones (at, file_id, vo_id, lfn, size, author)
  SELECT now(), {files} + n, 1, '/voa/t' || n, 1, 'alice' FROM generate_series(1, 5000) AS n;
ANALYZE;
"""


async def load(db: Database) -> None:
    """Fill the catalogue by SQL."""
    text = _LOAD.replace("{directories}", str(DIRECTORIES)).replace("{files}", str(FILES))
    async with db.transaction() as tx:
        await (await driver_connection(tx)).execute(text)


def statements() -> dict[str, Sql[Any]]:
    """Return the statements of the room's core by module and name."""
    found: dict[str, Sql[Any]] = {}
    for _, name, _ in pkgutil.walk_packages(weyl.file_catalog.queries.__path__):
        module = importlib.import_module(f"weyl.file_catalog.queries.{name}")
        held = {key: value for key, value in vars(module).items() if isinstance(value, Sql | dict)}
        for key, value in held.items():
            each = value.items() if isinstance(value, dict) else [("", value)]
            found |= {f"{name}.{key}{part}": one for part, one in each if isinstance(one, Sql)}
    return found


async def plan_of(tx: Tx, statement: Sql[Any]) -> str:
    """Return the plan for any values."""
    driver = await driver_connection(tx)
    await driver.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE asked AS {statement.text}")
    nothing = ", ".join(["NULL"] * len(statement.names))
    rows = await driver.fetch(f"EXPLAIN EXECUTE asked{f'({nothing})' if nothing else ''}")
    await driver.execute("DEALLOCATE asked; RESET plan_cache_mode")
    return "\n".join(row[0] for row in rows)


async def test_no_plan_reads_a_whole_table(db: Database) -> None:
    await load(db)
    scans = {}
    async with db.read() as tx:
        for name, statement in statements().items():
            if name in WHOLE:
                continue
            plan = await plan_of(tx, statement)
            if found := _SCAN.findall(plan):
                scans[name] = found
    assert scans == {}


@pytest.mark.parametrize("statement", [lookup._SELECT[False, False], lookup._COPIES], ids=["all", "replicas"])
@pytest.mark.parametrize("number", [50, 1_000])
async def test_a_look_up_touches_a_few_pages_per_name(db: Database, statement: Sql[Any], number: int) -> None:
    await load(db)
    spread = range(1, FILES, FILES // number)
    parents = [f"/voa/d{1 + each % DIRECTORIES}" if each % DIRECTORIES else "/voa" for each in spread]
    lfns = [f"{parent}/f{each}" for parent, each in zip(parents, spread, strict=True)]
    arguments: dict[str, Any] = {**lookup.asked(lfns), "vo": "voa"}
    async with db.read() as tx:
        driver = await driver_connection(tx)
        ordered = [arguments[name] for name in statement.names]
        await driver.execute("SET plan_cache_mode = force_generic_plan")
        [[told]] = await driver.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}", *ordered)
        await driver.execute("RESET plan_cache_mode")
    plan = json.loads(told) if isinstance(told, str) else told
    top = plan[0]["Plan"]
    assert top["Actual Rows"] >= number
    assert (top["Shared Hit Blocks"] + top["Shared Read Blocks"]) / number <= 20
