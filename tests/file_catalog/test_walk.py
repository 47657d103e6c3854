"""What a page of the comparison with storage costs, whatever directories hold, and that none of it is left out."""

import json
import random

import pytest

from weyl.file_catalog.queries import purging as queries
from weyl.file_catalog.service import purging
from weyl.kit.db import Database, Tx, driver_connection
from weyl.kit.sql import Sql

PAGE = 1_000
LARGE, SINGLE, RARE = 30_000, 5_000, 8_000
BUFFERS_PER_ROW = 15

# One directory with many files, many with one each, one of whose files few lie here, all of them near each other.
_LOAD = f"""
INSERT INTO file_vos (name) VALUES ('voa');
INSERT INTO identities (name) VALUES ('alice'), ('user');
INSERT INTO se_names (name) VALUES ('HERE'), ('THERE');
INSERT INTO directories (vo_id, path, path_hash, lineage, depth, mode, created_at)
  SELECT 1, p, substring(sha256(convert_to(p, 'UTF8')) FROM 1 FOR 16), ARRAY[1], 1, 493, now()
  FROM (
    SELECT unnest(ARRAY['/voa/large', '/voa/rare']) AS p
    UNION ALL SELECT '/voa/large/d' || n FROM generate_series(1, {SINGLE}) AS n) AS paths;
INSERT INTO files (dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at, trashed_at)
  SELECT (SELECT dir_id FROM directories WHERE path = '/voa/large'),
    CASE WHEN n <= {PAGE} * 2 THEN 'again' || n % 2 ELSE 'f' || n END, n, 1, 2, 420,
    CASE WHEN n <= {PAGE} * 2 OR n % 20 = 0 THEN 'Trash' ELSE 'Good' END, now(), now(),
    CASE WHEN n <= {PAGE} * 2 OR n % 20 = 0 THEN now() END
  FROM generate_series(1, {LARGE}) AS n
  UNION ALL SELECT dir_id, 'one', 1, 1, 2, 420, 'Good', now(), now(), NULL FROM directories
    WHERE path LIKE '/voa/large/d%'
  UNION ALL SELECT (SELECT dir_id FROM directories WHERE path = '/voa/rare'), 'r' || n, -1 + 1, 1, 2, 420, 'Good',
    now(), now(), NULL FROM generate_series(1, {RARE}) AS n;
INSERT INTO replicas (file_id, se_id, status, pfn, created_at)
  SELECT file_id, CASE WHEN size = 0 AND file_id % 500 > 0 THEN 2 ELSE 1 END, 'Good',
    CASE WHEN name LIKE 'again%' THEN '/voa/large/' || name || '~' || file_id END, now() FROM files;
ANALYZE;
"""
_DIRECTORY = """
INSERT INTO directories (vo_id, path, path_hash, lineage, depth, mode, created_at, origin)
  SELECT 1, $1::text, substring(sha256(convert_to($1, 'UTF8')) FROM 1 FOR 16), ARRAY[1], 1, 493, now(), $2
  RETURNING dir_id
"""
_FILE = """
WITH f AS (
  INSERT INTO files (dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at, trashed_at)
    VALUES ($1, $2, 1, 1, 1, 420, $3::varchar, now(), now(), CASE WHEN $3 <> 'Good' THEN now() END) RETURNING file_id)
INSERT INTO replicas (file_id, se_id, status, pfn, created_at) SELECT file_id, 1, 'Good', $4, now() FROM f
"""
_ALL = Sql(
    """
    SELECT coalesce(r.pfn, coalesce(d.origin, d.path) || '/' || f.name) FROM replicas r JOIN files f USING (file_id)
      JOIN directories d USING (dir_id) WHERE r.se_id = 1
    """,
    str,
)


async def cost(tx: Tx, statement: Sql[queries.Lying], arguments: dict[str, object]) -> int:
    """Return how many pages a statement touches."""
    driver = await driver_connection(tx)
    ordered = [arguments[name] for name in statement.names]
    [[told]] = await driver.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}", *ordered)
    top = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_a_page_costs_the_same_whatever_its_directories_hold(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.transaction() as tx:
        await (await driver_connection(tx)).execute(_LOAD)
    asked: list[dict[str, object]] = []
    original = Sql.rows

    async def rows(self: Sql[queries.Lying], tx: Tx, **arguments: object) -> list[queries.Lying]:
        if self is queries._LYING:
            asked.append(arguments)
        return await original(self, tx, **arguments)

    monkeypatch.setattr(Sql, "rows", rows)
    found: list[str] = []
    async with db.read() as tx:
        expected = sorted(await _ALL.rows(tx))
        while True:
            asked.clear()
            after = found[-1] if found else None
            page = await purging.replicas_below(tx, "voa", "HERE", after, PAGE, under="/voa")
            found += [each.storage_path for each in page]
            costs = [await cost(tx, queries._LYING, arguments) for arguments in asked]
            assert len(costs) <= 10, after
            assert max(costs) <= BUFFERS_PER_ROW * PAGE, (after, costs)
            if len(page) < PAGE:
                break
    assert found == expected


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_left_out_or_told_twice(db: Database, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(purging, "LOOKED_AT_FIRST", chance.choice([1, 2, 16]))
    monkeypatch.setattr(purging, "NAMES_MIN", 1)
    monkeypatch.setattr(purging, "NAMES_TIMES", chance.choice([1, 4]))
    paths = {"/voa"} | {
        "/voa/" + "/".join(chance.choice(["a", "a-", "ab", "a+b", "b", "~"]) for _ in range(chance.randint(1, 3)))
        for _ in range(40)
    }
    async with db.transaction() as tx:
        driver = await driver_connection(tx)
        await driver.execute(
            "INSERT INTO file_vos (name) VALUES ('voa'); INSERT INTO identities (name) VALUES ('alice');"
            " INSERT INTO se_names (name) VALUES ('HERE')"
        )
        for path in sorted(paths):
            origin = f"/voa/old{chance.randint(0, 99)}{path[4:]}" if chance.random() < 0.2 else None
            dir_id = await driver.fetchval(_DIRECTORY, path, origin)
            for name in chance.sample(["a", "a-b", "ab", "b", "c", "~"], chance.randint(0, 6)):
                for status in chance.choice([["Good"], ["Trash"], ["Good", "Trash", "Trash"]]):
                    pfn = (
                        f"{path}/{name}~{chance.getrandbits(40)}"
                        if status == "Trash" or chance.random() < 0.1
                        else None
                    )
                    await driver.execute(_FILE, dir_id, name, status, pfn)
    async with db.read() as tx:
        expected = sorted(await _ALL.rows(tx))
        for limit in (1, 2, 7, 1000):
            found: list[str] = []
            while True:
                page = await purging.replicas_below(tx, "voa", "HERE", found[-1] if found else None, limit)
                found += [each.storage_path for each in page]
                if len(page) < limit:
                    break
            assert found == expected, limit
