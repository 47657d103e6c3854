"""What the pages ask for: who may not, a part of the tree, one directory, and one file by its id."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller
from tests.infra.app import Application

from weyl.file_catalog.models.pages import CHILDREN_MAX

HOME = "/voa/user/a/alice"


async def get(caller: Caller, path: str, status: int = 200, /, **query: Any) -> Any:
    """Return the answer of a page's route."""
    answer = await caller.application.client.get(f"/api/files/{path}", headers=caller.headers, params=query)
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    return answer.json()


async def field(manager: Caller, name: str, kind: str, on: str = "both", **more: Any) -> None:
    """Declare a field."""
    body = {"name": name, "type": kind, "on": on, **more}
    answer = await manager.application.client.post("/api/files/fields", headers=manager.headers, json=body)
    assert answer.status_code == 201, answer.text


def routes(file_id: int) -> list[tuple[str, dict[str, str]]]:
    """Return every route of the pages, with what it needs to be told."""
    of_file = [f"{file_id}{what}" for what in ("", "/replicas", "/metadata", "/ancestors", "/descendants")]
    of_tree = [("tree", {}), *((f"tree{what}", {"node": "/voa/secret"}) for what in ("", "/usage", "/metadata"))]
    return [*((path, {}) for path in of_file), *of_tree]


@pytest.fixture
async def secret(manager: Caller) -> int:
    """A file in a directory that only its owner reads."""
    await manager.post("directories", paths=["/voa/secret"], mode="0700")
    return (await manager.register("/voa/secret/f"))["/voa/secret/f"]


async def test_who_is_not_admitted_is_told_nothing(application: Application, secret: int) -> None:
    strangers = {
        "no property": application.login(group="service"),
        "pilot": application.pilot("A" * 32),
        "payload": application.payload(1, stamp="A" * 32),
    }
    for path, query in routes(secret):
        answer = await application.client.get(f"/api/files/{path}", params=query)
        assert answer.status_code == 401, path
        for who, headers in strangers.items():
            answer = await application.client.get(f"/api/files/{path}", headers=headers, params=query)
            assert answer.status_code == 403, (who, path, answer.text)


async def test_what_another_vo_has_does_not_exist(stranger: Caller, secret: int) -> None:
    for path, query in routes(secret):
        if path != "tree" or query:
            await get(stranger, path, 404, **query)
    nothing = {"home": None, "lineage": [], "node": None, "nodes": [], "cursor": None}
    assert (await get(stranger, "tree")) == nothing


async def test_a_directory_that_may_not_be_read_hides_its_files(bob: Caller, secret: int) -> None:
    for path, query in routes(secret):
        if path != "tree" or query:
            answer = await get(bob, path, 403, **query)
            assert "/voa/secret" in answer["detail"]


@pytest.mark.parametrize(
    ("node", "status"),
    [
        *((node, 400) for node in ("voa", "/voa/../vob", "/voa//x", "/voa/x\u0000", "/voa/" + "y" * 300)),
        *((node, 404) for node in ("/voa/none", "/vob", "/etc")),
        ("/" + "z" * 5_000, 422),
    ],
)
async def test_a_directory_that_cannot_be_is_refused_in_words(manager: Caller, node: str, status: int) -> None:
    for path in ("tree", "tree/usage", "tree/metadata"):
        await get(manager, path, status, node=node)


async def test_the_tree_begins_at_the_own_home(alice: Caller, manager: Caller) -> None:
    assert (await get(alice, "tree"))["home"] is None
    await manager.post("directories", paths=["/voa/mc/a", "/voa/mc/b/c"])
    found = await get(alice, "tree")
    # Her home is made by her first write; until then she begins above it.
    assert (found["home"], found["lineage"]) == ("/voa", ["/voa"])
    [root] = found["nodes"]
    assert (root["id"], root["name"], root["leaf"], root["mode"]) == ("/voa", "/voa", False, "0755")
    await alice.post("directories", paths=[f"{HOME}/runs"])
    found = await get(alice, "tree")
    assert found["home"] == HOME
    assert found["lineage"] == ["/voa", "/voa/user", "/voa/user/a", HOME]


async def test_a_directory_shows_those_in_it_page_by_page(manager: Caller) -> None:
    names = [f"/voa/mc/run-{number:03d}" for number in range(CHILDREN_MAX + 5)]
    await manager.post("directories", paths=[*names, "/voa/mc/run-000/deep"])
    first = await get(manager, "tree", node="/voa/mc")
    assert first["lineage"] == ["/voa", "/voa/mc"]
    assert [each["id"] for each in first["nodes"]] == names[:CHILDREN_MAX]
    assert [each["leaf"] for each in first["nodes"][:2]] == [False, True]
    assert first["nodes"][1]["name"] == "run-001"
    rest = await get(manager, "tree", node="/voa/mc", cursor=first["cursor"])
    assert [each["id"] for each in rest["nodes"]] == names[CHILDREN_MAX:]
    assert rest["cursor"] is None
    await get(manager, "tree", 400, node="/voa/mc", cursor="run-\u0000")
    await manager.post("rmdir", paths=[names[1]])
    assert names[1] not in {each["id"] for each in (await get(manager, "tree", node="/voa/mc"))["nodes"]}


async def test_a_directory_says_what_lies_below_it_on_each_element(manager: Caller) -> None:
    await manager.register("/voa/mc/a/f", "/voa/mc/b/g", ses=("DISK-A", "DISK-B"))
    await manager.register("/voa/mc/a/h", ses=("TAPE",))
    await manager.post("delete", lfns=["/voa/mc/b/g"], reason="wrong")
    plain = (await get(manager, "tree", node="/voa/mc"))["node"]
    assert (plain["path"], plain["mode"], plain["files"]) == ("/voa/mc", "0755", None)
    node = (await get(manager, "tree", node="/voa/mc", details=True))["node"]
    assert {name: node[name] for name in ("files", "bytes", "trash_files", "trash_bytes")} == {
        "files": 2, "bytes": 20, "trash_files": 1, "trash_bytes": 10,
    }  # fmt: skip
    usage = {each["se"]: each for each in await get(manager, "tree/usage", node="/voa/mc")}
    assert {se: (each["files"], each["trash_files"]) for se, each in usage.items()} == {
        "DISK-A": (1, 1), "DISK-B": (1, 1), "TAPE": (1, 0),
    }  # fmt: skip


async def test_a_file_has_the_names_of_searches(manager: Caller) -> None:
    ids = await manager.register("/voa/mc/f", ses=("DISK-B", "DISK-A"))
    found = await get(manager, str(ids["/voa/mc/f"]))
    assert {"FileID", "LFN", "Name", "Directory", "Size", "Checksum", "Owner", "Status", "SE", "JobID"} <= set(found)
    assert (found["LFN"], found["SE"], found["ReplicaCount"]) == ("/voa/mc/f", ["DISK-A", "DISK-B"], 2)
    assert (found["Checksum"], found["Status"], found["TrashTime"]) == ("adler32:0000abcd", "Good", None)
    await manager.post("delete", lfns=["/voa/mc/f"], reason="wrong")
    found = await get(manager, str(ids["/voa/mc/f"]))
    assert (found["Status"], found["TrashTime"] is None) == ("Trash", False)
    await get(manager, "999999999", 404)
    await get(manager, str(2**63), 422)
    await get(manager, "no-number", 422)


async def test_replicas_say_why_they_cannot_be_read(application: Application, manager: Caller) -> None:
    file_id = (await manager.register("/voa/mc/f", ses=("DISK-A", "DISK-B", "TAPE")))["/voa/mc/f"]
    ban = {"kind": "storage", "name": "TAPE", "access": "read", "status": "Banned", "reason": "The robot is broken"}
    operator = application.login(properties=["Operator"])
    answer = await application.client.patch("/api/rss/status", headers=operator, json=[ban])
    assert answer.status_code == 200, answer.text
    await application.seen()
    await manager.post("replicas/status", lfns=["/voa/mc/f"], se="DISK-B", status="Bad", reason="lost")
    found = {each["se"]: each for each in await get(manager, f"{file_id}/replicas")}
    assert (found["DISK-A"]["usable"], found["DISK-A"]["reason"]) == (True, None)
    assert found["DISK-A"]["pfn"] == "/voa/mc/f"
    assert (found["DISK-B"]["usable"], found["DISK-B"]["reason"]) == (False, "The replica is bad")
    assert not found["TAPE"]["usable"]
    assert "The robot is broken" in found["TAPE"]["reason"]


async def test_metadata_says_where_each_value_is_from_and_who_may_set_it(manager: Caller, bob: Caller) -> None:
    await field(manager, "Run", "int", "file", indexed=True)
    await field(manager, "Campaign", "text", values=["spring", "autumn"])
    await field(manager, "Place", "text", "directory", unit="m", help="Where it was taken")
    file_id = (await manager.register("/voa/mc/a/f"))["/voa/mc/a/f"]
    values: dict[str, Any] = {"/voa/mc": {"Campaign": "spring", "Place": "hall"}, "/voa/mc/a": {"Campaign": "autumn"}}
    values["/voa/mc/a/f"] = {"Run": 7}
    await manager.post("metadata/set", set=values)
    found = await get(manager, f"{file_id}/metadata")
    assert found["may_edit"]
    shown = {each["name"]: (each["value"], each["from"], each["is_own"]) for each in found["fields"]}
    assert shown == {
        "Run": (7, "/voa/mc/a/f", True),
        "Campaign": ("autumn", "/voa/mc/a", False),
        "Place": ("hall", "/voa/mc", False),
    }
    assert not (await get(bob, f"{file_id}/metadata"))["may_edit"]
    found = await get(manager, "tree/metadata", node="/voa/mc/a")
    assert [each["name"] for each in found["fields"]] == ["Campaign", "Place"]
    assert found["fields"][0]["is_own"]
    assert found["fields"][0]["values"] == ["spring", "autumn"]
    assert (found["fields"][1]["unit"], found["fields"][1]["help"]) == ("m", "Where it was taken")
    await manager.post("delete", lfns=["/voa/mc/a/f"], reason="wrong")
    assert not (await get(manager, f"{file_id}/metadata"))["may_edit"]


async def test_relatives_lead_to_their_pages(manager: Caller, bob: Caller, secret: int) -> None:
    raw = (await manager.register("/voa/raw"))["/voa/raw"]
    middle = (await manager.register("/voa/middle", ancestors=["/voa/raw", "/voa/secret/f"]))["/voa/middle"]
    last = (await manager.register("/voa/last", ancestors=["/voa/middle"]))["/voa/last"]
    found = [(each["file_id"], each["depth"]) for each in await get(manager, f"{last}/ancestors")]
    assert found == [(middle, 1), (raw, 2), (secret, 2)]
    # What somebody may not read is not named.
    names = {each["lfn"] for each in await get(bob, f"{last}/ancestors")}
    assert names == {"/voa/middle", "/voa/raw"}
    known = await bob.post("lookup", lfns=["/voa/middle"], parameters=["ancestors"])
    assert known["success"]["/voa/middle"]["ancestors"] == ["/voa/raw"]
    below = await get(manager, f"{raw}/descendants")
    assert [(each["lfn"], each["status"], each["size"]) for each in below] == [
        ("/voa/middle", "Good", 10),
        ("/voa/last", "Good", 10),
    ]
