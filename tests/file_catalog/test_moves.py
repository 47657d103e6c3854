"""Moves: names change, storage paths stay, and every file keeps its own."""

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.file_catalog.conftest import Caller, new_file

from weyl.file_catalog.queries.usage import recount
from weyl.file_catalog.service.usage import fold_all
from weyl.kit.db import Database


async def stored(caller: Caller, lfn: str) -> str:
    """Return the storage path of the only replica of a file."""
    answer = await caller.post("lookup", lfns=[lfn], parameters=["replicas"])
    [replica] = answer["success"][lfn]["replicas"]
    path: str = replica["pfn"]
    return path


def one(source: str, target: str) -> dict[str, str]:
    return {"from": source, "to": target}


async def test_put_rm_put_mv_put_restore_leave_each_file_its_own_storage_path(manager: Caller, db: Database) -> None:
    """Each put lies where nothing else lies; what is stored beside has a path of its own."""
    await manager.register("/voa/d/f")
    await manager.post("delete", lfns=["/voa/d/f"], reason="1")
    second = [{"se": "DISK-A", "pfn": "/voa/d/f~2"}]
    await manager.post("register", files=[new_file("/voa/d/f", replicas=second, size=2)])
    await manager.post("move", moves=[one("/voa/d", "/voa/moved")])
    third = [{"se": "DISK-A", "pfn": "/voa/d/f~3"}]
    await manager.post("register", files=[new_file("/voa/d/f", replicas=third, size=3)])
    await manager.post("move", moves=[one("/voa/moved/f", "/voa/moved/g")])
    restored = await manager.post("restore", lfns=["/voa/moved/f"])
    assert set(restored["success"]) == {"/voa/moved/f"}
    assert await stored(manager, "/voa/moved/f") == "/voa/d/f"
    assert await stored(manager, "/voa/moved/g") == "/voa/d/f~2"
    assert await stored(manager, "/voa/d/f") == "/voa/d/f~3"
    async with db.read() as tx:
        assert await recount(tx) == []


async def test_a_new_file_never_lies_where_a_moved_one_lies(manager: Caller) -> None:
    await manager.register("/voa/d/f", "/voa/e/g")
    await manager.post("move", moves=[one("/voa/d/f", "/voa/d/moved"), one("/voa/e", "/voa/e2")])
    answer = await manager.post("register", files=[new_file("/voa/d/f"), new_file("/voa/e/g"), new_file("/voa/e/h")])
    codes = {lfn: failure["code"] for lfn, failure in answer["failed"].items()}
    assert codes == {"/voa/d/f": "conflict", "/voa/e/g": "conflict"}
    assert await stored(manager, "/voa/e2/g") == "/voa/e/g"
    await manager.register("/voa/e2/new")
    assert await stored(manager, "/voa/e2/new") == "/voa/e/new"
    # The directory that lies there now has files of the same path by convention.
    answer = await manager.post("register", files=[new_file("/voa/e/new")])
    assert answer["failed"]["/voa/e/new"]["code"] == "conflict"


async def test_good_bad_foreign_and_doubled_moves_in_one_call_twice(manager: Caller, stranger: Caller) -> None:
    await stranger.register("/vob/x/secret", ses=("DISK-OF-B",))
    await manager.register("/voa/a/one", "/voa/a/two", "/voa/a/three", "/voa/b/one", "/voa/t/deep/f")
    moves = [
        one("/voa/a/one", "/voa/b/first"),
        one("LFN:/voa/t", "/voa/b/t"),
        one("/voa/a/one", "/voa/b/first"),
        one("/voa/a/two", "/voa/b/one"),
        one("/voa/a/three", "/voa/b/x"),
        one("/voa/a/three", "/voa/b/y"),
        one("/voa/a/none", "/voa/b/none"),
        one("/voa/b", "/voa/b/inside"),
        one("/voa", "/voa/x"),
        one("/voa/a/two ", "/voa/b/z"),
        one("/voa/a/../two", "/voa/b/w"),
        one("/vob/x/secret", "/voa/b/secret"),
        one("/vob/x/unknown", "/voa/b/unknown"),
    ]
    first = await manager.post("move", moves=moves)
    assert first["success"] == {"/voa/a/one": {"to": "/voa/b/first"}, "/voa/t": {"to": "/voa/b/t"}}
    assert {source: failure["code"] for source, failure in first["failed"].items()} == {
        "/voa/a/two": "exists",
        "/voa/a/three": "conflict",
        "/voa/a/none": "not_found",
        "/voa/b": "conflict",
        "/voa": "forbidden",
        "/voa/a/two ": "not_found",
        "/voa/a/../two": "bad_name",
        "/vob/x/secret": "not_found",
        "/vob/x/unknown": "not_found",
    }
    assert first["failed"]["/vob/x/secret"] == first["failed"]["/vob/x/unknown"]
    assert await manager.post("move", moves=moves) == first
    assert await manager.names("/voa/b") == ["t/", "first", "one"]
    assert await manager.names("/voa/b/t/deep") == ["f"]


async def test_directories_do_not_move_into_each_other(manager: Caller) -> None:
    await manager.register("/voa/a/f", "/voa/b/f", "/voa/c/d/f")
    moves = [one("/voa/a", "/voa/b/a"), one("/voa/b", "/voa/a/b")]
    answer = await manager.post("move", moves=moves)
    assert {failure["code"] for failure in answer["failed"].values()} == {"conflict"}
    answer = await manager.post("move", moves=[one("/voa/c", "/voa/x"), one("/voa/c/d", "/voa/y")])
    assert "/voa/c/d" in answer["failed"]


async def test_a_move_needs_rights_at_both_ends(manager: Caller, alice: Caller, bob: Caller) -> None:
    home, other = "/voa/user/a/alice", "/voa/user/b/bob"
    await alice.post("directories", paths=[f"{home}/d"])
    await bob.post("directories", paths=[other])
    await manager.register(f"{home}/d/f")
    for source, target in ((f"{home}/d", f"{other}/d"), (f"{home}/d/f", f"{other}/f"), (f"{home}/d", "/voa/d")):
        answer = await alice.post("move", moves=[one(source, target)])
        assert answer["failed"][source]["code"] == "forbidden"
        answer = await bob.post("move", moves=[one(source, target)])
        assert answer["failed"][source]["code"] == "forbidden"
    assert (await alice.post("move", moves=[one(f"{home}/d/f", f"{home}/g")]))["failed"] == {}


async def test_who_may_not_write_somewhere_is_not_told_what_is_there(manager: Caller, bob: Caller) -> None:
    home = "/voa/user/b/bob"
    await bob.post("directories", paths=[home])
    await manager.register(f"{home}/f")
    await manager.post("directories", paths=["/voa/secret"], mode="0700")
    await manager.register("/voa/secret/f")
    told = []
    for target in ("/voa/secret/f", "/voa/secret/g", "/voa/secret/h/g"):
        answer = await bob.post("move", moves=[one(f"{home}/f", target)])
        told.append(answer["failed"][f"{home}/f"])
    assert told[0]["code"] == "forbidden"
    assert told[0] == told[1] == told[2]


async def test_what_would_be_too_long_does_not_move(manager: Caller) -> None:
    long = "/voa/" + "/".join(["x" * 250] * 7)
    await manager.register(f"{long}/f")
    await manager.post("directories", paths=["/voa/" + "y" * 250 + "/" + "z" * 250])
    target = "/voa/" + "y" * 250 + "/" + "z" * 250 + "/t"
    answer = await manager.post("move", moves=[one("/voa/" + "x" * 250, target)])
    assert [failure["code"] for failure in answer["failed"].values()] == ["bad_name"]


names = st.text(string.ascii_lowercase[:3], min_size=1, max_size=1)
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/voa/" + "/".join(parts))


@pytest.mark.parametrize("example", range(6))
async def test_moves_and_folds_leave_what_a_model_has(manager: Caller, db: Database, example: int) -> None:
    """Random files, moves, deletions and folds: names, storage paths and usage are those of a model."""
    steps = _examples(example)
    model: dict[str, str] = {}
    for number, step in enumerate(steps):
        await _step(manager, db, model, step, number)
    shown = await manager.post("lookup", lfns=sorted(model) or ["/voa/none"], parameters=["replicas"])
    assert {lfn: file["replicas"][0]["pfn"] for lfn, file in shown["success"].items()} == model
    assert len(set(model.values())) == len(model), "each has a path of its own"
    async with db.read() as tx:
        assert await recount(tx) == []
    used = await manager.post("usage", paths=["/voa"])
    assert used["success"]["/voa"]["files"] == len(model)


def _examples(number: int) -> list[tuple[str, str, str]]:
    found: list[list[tuple[str, str, str]]] = []

    @settings(max_examples=number + 1, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.tuples(st.sampled_from(["put", "put", "move", "move", "rm", "fold"]), paths, paths), min_size=25)
    )
    def collect(steps: list[tuple[str, str, str]]) -> None:
        found.append(steps)

    collect()
    return found[-1][:40]


async def _step(caller: Caller, db: Database, model: dict[str, str], step: tuple[str, str, str], number: int) -> None:
    what, path, other = step
    if what == "fold":
        await fold_all(db)
    elif what == "put":
        lfn = f"{path}/f"
        replicas: list[dict[str, Any]] = [{"se": "DISK-A", "pfn": f"/voa/stored/{number}"}]
        answer = await caller.post("register", files=[new_file(lfn, replicas=replicas, size=number)])
        if answer["success"] and answer["success"][lfn]["created"]:
            model[lfn] = f"/voa/stored/{number}"
    elif what == "rm":
        answer = await caller.post("delete", lfns=[f"{path}/f"], reason="x")
        if answer["success"]:
            model.pop(f"{path}/f", None)
    else:
        answer = await caller.post("move", moves=[one(path, other)])
        if answer["success"] and path != other:
            for lfn in [each for each in model if each.startswith(f"{path}/")]:
                model[other + lfn[len(path) :]] = model.pop(lfn)
