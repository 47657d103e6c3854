"""Who may do what: homes, modes, owners, groups, and what a VO says of all that."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller, Reconfigured

HOME, OTHER = "/voa/user/a/alice", "/voa/user/b/bob"


async def test_a_home_is_made_by_its_user_and_by_nobody_else(alice: Caller, bob: Caller) -> None:
    for path in (HOME, f"{HOME}/d", "/voa/data", "/voa/user", "/voa/user/b"):
        answer = await bob.post("directories", paths=[path])
        assert answer["failed"][path]["code"] == "forbidden", path
    answer = await alice.post("directories", paths=[f"{HOME}/d", "/voa/data"])
    assert set(answer["success"]) == {f"{HOME}/d"}
    listed = await alice.post("list", path="/voa/user/a")
    assert [(each["owner"], each["group"], each["mode"]) for each in listed["directories"]] == [
        ("alice", "user", "0755")
    ]
    [above] = (await alice.post("list", path="/voa/user"))["directories"]
    assert (above["owner"], above["group"]) == (None, None)
    answer = await bob.post("directories", paths=[OTHER, f"{HOME}/mine"])
    assert set(answer["success"]) == {OTHER}


async def test_the_mode_of_a_directory_decides(alice: Caller, bob: Caller, manager: Caller) -> None:
    await alice.post("directories", paths=[f"{HOME}/d"])
    await manager.register(f"{HOME}/d/f")
    assert (await bob.post("lookup", lfns=[f"{HOME}/d/f"]))["failed"] == {}
    await alice.post("permissions", paths=[f"{HOME}/d"], mode="0700")
    answer = await bob.post("lookup", lfns=[f"{HOME}/d/f", f"{HOME}/d/none"])
    # Not even what is in it.
    assert {failure["code"] for failure in answer["failed"].values()} == {"forbidden"}
    await bob.refused("list", 403, path=f"{HOME}/d")
    assert (await bob.post("usage", paths=[f"{HOME}/d"]))["failed"][f"{HOME}/d"]["code"] == "forbidden"
    assert (await bob.post("replicas", lfns=[f"{HOME}/d/f"]))["failed"][f"{HOME}/d/f"]["code"] == "forbidden"
    await alice.post("permissions", paths=[f"{HOME}/d"], mode="0770")
    assert (await bob.post("directories", paths=[f"{HOME}/d/e"]))["failed"] == {}
    assert (await bob.post("delete", lfns=[f"{HOME}/d/f"], reason="mine"))["failed"] == {}


async def test_only_owners_change_permissions_and_only_managers_give_away(
    alice: Caller, bob: Caller, manager: Caller
) -> None:
    await alice.post("directories", paths=[f"{HOME}/d"])
    await manager.register(f"{HOME}/d/f")
    asked: list[tuple[Caller, dict[str, Any], bool]] = [
        (bob, {"mode": "0777"}, False),
        (alice, {"mode": "0750"}, True),
        (alice, {"group": "user"}, True),
        (alice, {"group": "admin"}, False),
        (alice, {"owner": "bob"}, False),
        (manager, {"owner": "bob", "group": "admin"}, True),
        (alice, {"mode": "0777"}, False),
        (bob, {"mode": "0711"}, True),
    ]
    for caller, change, is_done in asked:
        answer = await caller.post("permissions", paths=[f"{HOME}/d"], **change)
        assert bool(answer["success"]) is is_done, change
    [shown] = (await alice.post("list", path=HOME))["directories"]
    assert (shown["owner"], shown["group"], shown["mode"]) == ("bob", "admin", "0711")


async def test_good_bad_and_foreign_names_in_one_change_twice(manager: Caller, stranger: Caller) -> None:
    await stranger.register("/vob/x/secret", ses=("DISK-OF-B",))
    await manager.register("/voa/d/f", "/voa/d/e/g")
    paths = ["/voa/d", "/voa/d/f", "/voa/d", "/voa/none", "/vob/x", "/vob/x/secret", "/voa/./d"]
    for _ in range(2):
        answer = await manager.post("permissions", paths=paths, mode="0770")
        assert set(answer["success"]) == {"/voa/d", "/voa/d/f"}
        assert {path: failure["code"] for path, failure in answer["failed"].items()} == {
            "/voa/none": "not_found",
            "/vob/x": "not_found",
            "/vob/x/secret": "not_found",
            "/voa/./d": "bad_name",
        }


async def test_recursively_all_below_that_is_their_own(manager: Caller, alice: Caller, bob: Caller) -> None:
    await alice.post("directories", paths=[f"{HOME}/d/e"])
    await alice.post("permissions", paths=[f"{HOME}/d/e"], mode="0777")
    await bob.post("directories", paths=[f"{HOME}/d/e/of-bob"])
    await manager.post("permissions", paths=[HOME], owner="alice", recursive=True)
    await manager.post("permissions", paths=[f"{HOME}/d/e/of-bob"], owner="bob")
    await manager.register(f"{HOME}/d/e/f")
    await alice.post("permissions", paths=[f"{HOME}/d"], mode="0700", recursive=True)
    [shown] = (await alice.post("list", path=f"{HOME}/d"))["directories"]
    assert shown["mode"] == "0700"
    listed = await alice.post("list", path=f"{HOME}/d/e")
    assert {each["name"]: each["mode"] for each in listed["directories"]} == {"of-bob": "0777"}
    assert {each["name"]: each["mode"] for each in listed["files"]} == {"f": "0700"}


@pytest.mark.parametrize(("rule", "is_read"), [("directory", True), ("posix", False), ("open", True)])
async def test_a_vo_says_whether_the_mode_of_a_file_counts(
    reconfigured: Reconfigured, rule: str, is_read: bool
) -> None:
    application = await reconfigured(Permissions=rule)
    manager = Caller(application, application.login(properties=["FileCatalogManagement"]))
    bob = Caller(application, application.login("bob"))
    await manager.register("/voa/d/f")
    await manager.post("permissions", paths=["/voa/d/f"], mode="0600")
    assert bool((await bob.post("lookup", lfns=["/voa/d/f"]))["success"]) is is_read
    may_make = (await bob.post("directories", paths=["/voa/d/e"]))["failed"] == {}
    assert may_make is (rule == "open")


async def test_a_vo_says_what_its_roots_are(reconfigured: Reconfigured) -> None:
    application = await reconfigured(Roots=["/grid/voa"])
    manager = Caller(application, application.login(properties=["FileCatalogManagement"]))
    await manager.register("/grid/voa/x/f")
    assert await manager.names("/grid/voa/x") == ["f"]
    answer = await manager.post("lookup", lfns=["/voa/x/f", "/grid/other/f"])
    assert {failure["code"] for failure in answer["failed"].values()} == {"not_found"}
