"""What calls cost in statements, whatever the number of names, and texts that no column holds."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller

from weyl.file_catalog.queries.usage import recount
from weyl.file_catalog.service import usage
from weyl.kit.db import DATABASE, Database, driver_connection

CALLS: list[tuple[str, int, Any]] = [
    ("lookup", 1, lambda names: {"lfns": names}),
    ("lookup", 2, lambda names: {"lfns": names, "parameters": ["replicas", "metadata", "ancestors"]}),
    ("replicas", 1, lambda names: {"lfns": names}),
    ("replicas/status", 4, lambda names: {"lfns": names, "se": "DISK-A", "status": "Suspect", "reason": "x"}),
    ("list", 1, lambda names: {"path": "/voa/d", "limit": len(names)}),
    ("ancestors", 2, lambda names: {"lfns": names}),
    ("permissions", 4, lambda names: {"paths": names, "mode": "0600"}),
    ("move", 6, lambda names: {"moves": [{"from": name, "to": f"{name}-moved"} for name in names]}),
    ("delete", 3, lambda names: {"lfns": [f"{name}-moved" for name in names], "reason": "x"}),
    ("restore", 5, lambda names: {"lfns": [f"{name}-moved" for name in names]}),
]


async def test_calls_take_a_few_statements_whatever_the_number_of_names(manager: Caller) -> None:
    few, many = ["/voa/d/one"], [f"/voa/d/f{number}" for number in range(150)]
    await manager.register(*few, *many, ses=("DISK-A", "DISK-B"))
    database = manager.application.services[DATABASE]
    for path, most, body in CALLS:
        counts = []
        for names in (few, many):
            with database.count_statements() as counted:
                answer = await manager.post(path, **body(names))
            assert len(answer.get("success", names)) >= len(names), (path, answer)
            counts.append(len(counted))
        assert counts[0] == counts[1] <= most, (path, counts)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("replicas/status", {"lfns": ["/voa/d/f"], "se": "a\x00", "status": "Bad", "reason": "x"}),
        ("replicas/status", {"lfns": ["/voa/d/f"], "se": "DISK-A", "status": "Bad", "reason": "a\x00"}),
        ("permissions", {"paths": ["/voa/d/f"], "owner": "a\x00"}),
        ("permissions", {"paths": ["/voa/d/f"], "group": "a\x00"}),
        ("delete", {"lfns": ["/voa/d/f"], "reason": "a\x00"}),
        ("bulk", {"action": "delete", "paths": ["/voa/d"], "fields": {"reason": "a\x00"}}),
        ("list", {"path": "/voa/d", "cursor": "WyJmaWxlIiwiYVx1MDAwMCIsMV0"}),
    ],
)
async def test_a_text_that_no_column_holds_is_refused(manager: Caller, path: str, body: dict[str, Any]) -> None:
    await manager.register("/voa/d/f")
    url = f"/api/files/{path}"
    answer = await manager.application.client.post(url, headers=manager.headers, json=body)
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("at_once", [1, 3, 1_000])
async def test_sums_that_are_wrong_are_found_and_set_right(
    manager: Caller, db: Database, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(usage, "CHECKED_AT_ONCE", at_once)
    await manager.register("/voa/a/b/c/f", "/voa/a/b/g", "/voa/a/h", ses=("DISK-A", "TAPE"))
    await usage.fold_all(db)
    await manager.register("/voa/a/b/fresh", "/voa/x/y")
    await manager.post("delete", lfns=["/voa/a/h"], reason="x")
    assert await usage.check(db) == 0
    async with db.transaction() as tx:
        connection = await driver_connection(tx)
        await connection.execute("UPDATE file_usage SET files = files + 7 WHERE dir_id % 2 = 0 AND se_id = 0")
        await connection.execute("DELETE FROM file_usage WHERE dir_id = 3")
        await connection.execute("INSERT INTO file_usage VALUES (1, 99, 5, 5, 0, 0)")
    assert await usage.check(db) > 0
    assert await usage.check(db) == 0
    async with db.read() as tx:
        assert await recount(tx) == []
    await usage.fold_all(db)
    async with db.read() as tx:
        assert await recount(tx) == []
