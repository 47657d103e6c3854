"""Orders about very many files: planned, confirmed, done in batches, and no more than was planned."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller, new_file
from tests.infra.app import Application

from weyl.config.service import CONFIG
from weyl.file_catalog.queries.usage import recount
from weyl.file_catalog.service import moves, orders
from weyl.kit.db import Database
from weyl.kit.task import Run
from weyl.tasks import operations

HOME = "/voa/user/a/alice"


async def ordered(caller: Caller, db: Database, *, between: Any = None, **order: Any) -> dict[str, Any]:
    """Plan an order, confirm it, do it, and return the operation as its owner sees it."""
    plan = await caller.post("bulk", **order)
    if between is not None:
        await between()
    client = caller.application.client
    started = await client.post(
        "/api/files/bulk",
        headers=caller.headers,
        json={**order, "plan_token": plan["plan_token"], "undo_s": 0},
    )
    assert started.status_code == 202, started.text
    return {**await finished(caller, db, started.json()["operation_id"]), "plan": plan}


async def finished(caller: Caller, db: Database, operation_id: str) -> dict[str, Any]:
    """Do an operation as a worker does, and return it as its owner sees it."""
    handler = orders.bulk_handler(caller.application.services[CONFIG])
    await operations.in_batches(db, handler)({"operation_id": operation_id}, Run(1, 1))
    shown = await caller.application.client.get(f"/api/operations/{operation_id}", headers=caller.headers)
    answer: dict[str, Any] = shown.json()
    assert answer["state"] == "done", answer
    return answer


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an order take many batches."""
    monkeypatch.setattr(operations, "BATCH", 3)
    monkeypatch.setattr(orders, "AT_ONCE", 2)


async def test_a_tree_is_removed_and_what_came_later_stays(
    manager: Caller, application: Application, db: Database
) -> None:
    await manager.register(*(f"/voa/t/d{n % 4}/f{n}" for n in range(17)), "/voa/t/top", "/voa/u/kept")

    async def later() -> None:
        await manager.register("/voa/t/d1/later")

    order = {"action": "rmdir-recursive", "paths": ["/voa/t", "/voa/none", "/vob/x", "/voa"], "fields": {"reason": "x"}}
    done = await ordered(manager, db, between=later, **order)
    assert (done["plan"]["count"], done["plan"]["directories"], done["plan"]["bytes"]) == (18, 5, 180)
    assert set(done["plan"]["failed"]) == {"/voa/none", "/vob/x", "/voa"}
    assert (done["done"], done["failed"]) == (18, 0)
    assert await manager.names("/voa/t") == ["d1/"]
    assert await manager.names("/voa/t/d1") == ["later"]
    assert await manager.names("/voa/u") == ["kept"]
    # All of it comes back, by one order as well.
    done = await ordered(manager, db, action="restore", paths=["/voa/t"])
    assert (done["plan"]["count"], done["done"]) == (18, 18)
    assert len(await manager.names("/voa/t")) == 5
    async with db.read() as tx:
        assert await recount(tx) == []


async def test_rights_are_those_of_each_file(manager: Caller, alice: Caller, bob: Caller, db: Database) -> None:
    await alice.post("directories", paths=[f"{HOME}/d", f"{HOME}/open"])
    await alice.post("permissions", paths=[f"{HOME}/open"], mode="0777")
    await manager.register(f"{HOME}/d/f", f"{HOME}/open/g")
    done = await ordered(bob, db, action="delete", paths=[HOME], fields={"reason": "x"})
    assert (done["done"], done["failed"]) == (1, 1)
    assert await alice.names(f"{HOME}/d") == ["f"]
    assert await alice.names(f"{HOME}/open") == []


async def test_permissions_and_named_files(manager: Caller, db: Database) -> None:
    await manager.register(*(f"/voa/t/f{n}" for n in range(8)), "/voa/t/e/g", "/voa/x/single")
    paths = ["/voa/t", "/voa/x/single"]
    done = await ordered(manager, db, action="permissions", paths=paths, fields={"mode": "0600", "owner": "bob"})
    assert done["done"] == 10
    listed = await manager.post("list", path="/voa/t")
    assert {(each["mode"], each["owner"]) for each in [*listed["files"], *listed["directories"]]} == {("0600", "bob")}
    [single] = (await manager.post("list", path="/voa/x"))["files"]
    assert (single["mode"], single["owner"]) == ("0600", "bob")


async def test_a_query_says_which_files_are_meant(manager: Caller, bob: Caller, db: Database) -> None:
    field = {"name": "Run", "type": "int", "indexed": True}
    client = manager.application.client
    assert (await client.post("/api/files/fields", json=field, headers=manager.headers)).status_code == 201
    await manager.register(*(f"/voa/t/f{n}" for n in range(9)), "/voa/x/other")
    numbered = {f"/voa/t/f{n}": {"Run": n} for n in range(9)}
    await manager.post("metadata/set", set=numbered)
    query = {"under": "/voa/t", "where": [{"parameter": "Run", "operator": "gte", "value": 2}]}

    async def later() -> None:
        await manager.register("/voa/t/later")
        await manager.post("metadata/set", set={"/voa/t/later": {"Run": 5}})

    done = await ordered(manager, db, between=later, action="metadata", query=query, fields={"values": {"Run": 1}})
    plan = done["plan"]
    assert (plan["count"], plan["bytes"], plan["directories"], len(plan["sample"])) == (7, 70, 0, 7)
    assert (done["total"], done["done"], done["failed"]) == (7, 7, 0)
    assert await manager.post("search", **query, parameters=["Name"]) == [{"Name": "later"}]
    refused = await ordered(bob, db, action="delete", query=query, fields={"reason": "x"})
    assert (refused["done"], refused["failed"]) == (0, 1)
    for wrong in ({"paths": ["/voa/t"]}, {"action": "rmdir-recursive"}, {"query": None}):
        await manager.refused("bulk", 422, **{"action": "delete", "query": query, "fields": {"reason": "x"}, **wrong})
    unknown = {"where": [{"parameter": "Rum", "operator": "exists"}]}
    await manager.refused("bulk", 400, action="delete", query=unknown, fields={"reason": "x"})


async def test_nothing_is_done_without_a_plan_that_fits(manager: Caller, alice: Caller, bob: Caller) -> None:
    order: dict[str, Any] = {"action": "delete", "paths": ["/voa/t"], "fields": {"reason": "x"}}
    await manager.refused("bulk", 400, **order, dry_run=False)
    plan = await manager.post("bulk", **order)
    assert plan["failed"]["/voa/t"]["code"] == "not_found"
    for caller, change in ((bob, {}), (manager, {"paths": ["/voa"]}), (manager, {"action": "rmdir-recursive"})):
        await caller.refused("bulk", 400, **{**order, **change, "plan_token": plan["plan_token"]})
    await manager.refused("bulk", 400, **order, plan_token="no.token.atall")
    for wrong in ({"fields": {}}, {"action": "permissions"}, {"action": "metadata"}, {"paths": []}, {"x": 1}):
        await manager.refused("bulk", 422, **{**order, **wrong})


async def test_files_of_a_name_come_back_once(manager: Caller, db: Database) -> None:
    for size in (1, 2):
        stored = [{"se": "DISK-A", "pfn": f"/voa/t/f~{size}"}]
        await manager.post("register", files=[new_file("/voa/t/f", size=size, replicas=stored)])
        await manager.post("delete", lfns=["/voa/t/f"], reason="x")
    done = await ordered(manager, db, action="restore", paths=["/voa/t"])
    assert (done["done"], done["failed"]) == (1, 1)
    [shown] = (await manager.post("list", path="/voa/t"))["files"]
    assert shown["size"] == 2


async def test_a_directory_with_very_many_below_moves_in_the_background(
    manager: Caller, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await manager.register(*(f"/voa/t/d{n}/f" for n in range(4)), "/voa/u/f")
    monkeypatch.setattr(moves.move, "__kwdefaults__", {"below_max": 3})
    asked = [{"from": "/voa/t", "to": "/voa/u/t"}]
    answer = await manager.post("move", moves=asked)
    assert await manager.names("/voa") == ["t/", "u/"]
    done = await finished(manager, db, answer["success"]["/voa/t"]["operation_id"])
    assert (done["done"], done["failed"]) == (1, 0)
    assert await manager.names("/voa") == ["u/"]
    assert await manager.names("/voa/u/t/d3") == ["f"]
    monkeypatch.setattr(moves, "ORDERED_MAX", 3)
    answer = await manager.post("move", moves=[{"from": "/voa/u", "to": "/voa/v"}])
    assert answer["failed"]["/voa/u"]["code"] == "busy"
