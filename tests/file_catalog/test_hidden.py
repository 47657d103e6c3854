"""What lies in a directory that somebody may not read, or below one: no answer depends on what is there."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller

from weyl.kit.db import DATABASE, driver_connection

CLOSED = "/voa/closed"
THERE = {
    "a file": f"{CLOSED}/f",
    "a directory": f"{CLOSED}/a",
    "a file below": f"{CLOSED}/a/f",
    "a directory below": f"{CLOSED}/a/b",
    "below a file": f"{CLOSED}/f/x",
    "a name by no rule of today": f"{CLOSED}/old name",
}
NOWHERE = {name: path.replace("/f", "/none").replace("/a", "/nowhere") for name, path in THERE.items()} | {
    "a name by no rule of today": f"{CLOSED}/odd name"
}
HOME = "/voa/user/b/bob"
CALLS: dict[str, Any] = {
    "lookup": lambda path: {"lfns": [path]},
    "lookup in the trash": lambda path: {"lfns": [path], "trash": True},
    "replicas": lambda path: {"lfns": [path]},
    "replicas/status": lambda path: {"lfns": [path], "se": "DISK-A", "status": "Bad", "reason": "x"},
    "list": lambda path: {"path": path},
    "directories": lambda path: {"paths": [path]},
    "rmdir": lambda path: {"paths": [path]},
    "move": lambda path: {"moves": [{"from": path, "to": f"{HOME}/x"}]},
    "move there": lambda path: {"moves": [{"from": f"{HOME}/own", "to": path}]},
    "permissions": lambda path: {"paths": [path], "mode": "0777"},
    "delete": lambda path: {"lfns": [path], "reason": "x"},
    "restore": lambda path: {"lfns": [path]},
    "usage": lambda path: {"paths": [path]},
    "ancestors": lambda path: {"lfns": [path]},
    "metadata": lambda path: {"paths": [path]},
    "metadata/set": lambda path: {"set": {path: {"Run": 1}}},
    "bulk": lambda path: {"action": "delete", "paths": [path], "fields": {"reason": "x"}},
    "search": lambda path: {"under": path},
    "search by ancestor": lambda path: {"where": [{"parameter": "Ancestor", "operator": "eq", "value": path}]},
}


@pytest.fixture
async def closed(manager: Caller, bob: Caller) -> None:
    """A closed directory with files, one of them the ancestor of a file that everybody may read."""
    await bob.post("directories", paths=[HOME])
    await manager.register(f"{HOME}/own")
    await manager.refused("fields", 201, name="Run", type="int", on="file", indexed=True)
    for path in (CLOSED, f"{CLOSED}/a"):
        await manager.post("directories", paths=[path], mode="0700")
    await manager.register(f"{CLOSED}/f", f"{CLOSED}/a/f", f"{CLOSED}/a/b/f", f"{CLOSED}/gone")
    await manager.post("delete", lfns=[f"{CLOSED}/gone"], reason="x")
    await manager.register("/voa/open/child", ancestors=[f"{CLOSED}/f", f"{CLOSED}/a/f"])
    # As it was imported before there were rules for new names.
    async with manager.application.services[DATABASE].transaction() as tx:
        text = "UPDATE files SET name = 'old name', status = 'Good', trashed_at = NULL WHERE name = 'gone'"
        await (await driver_connection(tx)).execute(text)


@pytest.mark.usefixtures("closed")
async def test_no_answer_tells_what_is_in_a_closed_directory(bob: Caller) -> None:
    for call, body in CALLS.items():
        for name, path in THERE.items():
            answers = [await told(bob, call.partition(" ")[0], body(asked), asked) for asked in (path, NOWHERE[name])]
            assert answers[0] == answers[1], (call, name)


async def told(caller: Caller, route: str, body: dict[str, Any], path: str) -> tuple[int, str]:
    """Return an answer without what differs in the question."""
    answer = await caller.application.client.post(f"/api/files/{route}", headers=caller.headers, json=body)
    text = answer.text.replace(path, "X").replace(repr(path.rpartition("/")[2]), "X")
    return answer.status_code, text.partition('"plan_token"')[0]


@pytest.mark.usefixtures("closed")
async def test_pages_tell_no_more(bob: Caller, manager: Caller) -> None:
    for part in ("tree", "tree/usage", "tree/metadata"):
        answers = set()
        for node in (f"{CLOSED}/a", f"{CLOSED}/nowhere", f"{CLOSED}/a/b"):
            url = f"/api/files/{part}"
            answer = await bob.application.client.get(url, headers=bob.headers, params={"node": node})
            answers.add((answer.status_code, answer.text))
        assert len(answers) == 1, answers
    known = await manager.post("lookup", lfns=[f"{CLOSED}/a/f"])
    file_id = known["success"][f"{CLOSED}/a/f"]["file_id"]
    answer = await bob.application.client.get(f"/api/files/{file_id}", headers=bob.headers)
    assert (answer.status_code, f"{CLOSED}/a" in answer.text) == (403, False)


@pytest.mark.usefixtures("closed")
async def test_what_is_open_below_a_closed_directory_may_be_used(bob: Caller, manager: Caller) -> None:
    await manager.post("directories", paths=[f"{CLOSED}/shared"], mode="0755")
    await manager.register(f"{CLOSED}/shared/f")
    assert await bob.names(f"{CLOSED}/shared") == ["f"]
    answer = await bob.post("lookup", lfns=[f"{CLOSED}/shared/f", f"{CLOSED}/shared/none", f"{CLOSED}/shared/d/f"])
    assert set(answer["success"]) == {f"{CLOSED}/shared/f"}
    assert {failure["code"] for failure in answer["failed"].values()} == {"not_found"}


@pytest.mark.usefixtures("closed")
async def test_ancestors_are_searched_by_those_who_may_read_them(bob: Caller, manager: Caller) -> None:
    where = [{"parameter": "Ancestor", "operator": "in", "values": [f"{CLOSED}/f", f"{CLOSED}/a/f"]}]
    [found] = await manager.post("search", where=where, parameters=["LFN"])
    assert found == {"LFN": "/voa/open/child"}
    assert await bob.post("search", where=where) == []
    assert await bob.post("search", any=[where]) == []
