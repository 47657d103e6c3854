"""The trash: deleted and restored at the door, mixed names, twice the same call, and directories that are hidden."""

from tests.file_catalog.conftest import Caller, new_file

from weyl.kit.db import Database, Tx
from weyl.kit.sql import Sql

_LOG = Sql(
    "SELECT author, action, reason, file_ids FROM file_log ORDER BY log_id",
    tuple[str, str, str | None, list[int]],
)


async def log_of(tx: Tx) -> list[tuple[str, str, str | None, list[int]]]:
    return [row for row in await _LOG.rows(tx) if row[1] != "trusted"]


async def test_good_bad_foreign_and_doubled_names_are_deleted_and_restored_twice(
    manager: Caller, stranger: Caller, db: Database
) -> None:
    await stranger.register("/vob/x/secret", ses=("DISK-OF-B",))
    ids = await manager.register("/voa/x/one", "/voa/x/two", "/voa/x/kept")
    lfns = ["/voa/x/one", "LFN:/voa/x/two", "/voa/x/one", "/voa/x/none", "/voa/n/one", "/voa//x", "/vob/x/secret"]
    codes = {
        "/voa/x/none": "not_found",
        "/voa/n/one": "not_found",
        "/voa//x": "bad_name",
        "/vob/x/secret": "not_found",
    }
    for _ in range(2):
        answer = await manager.post("delete", lfns=lfns, reason="a test")
        assert {lfn: each["file_id"] for lfn, each in answer["success"].items()} == {
            lfn: ids[lfn] for lfn in ("/voa/x/one", "/voa/x/two")
        }
        assert {lfn: failure["code"] for lfn, failure in answer["failed"].items()} == codes
    assert await manager.names("/voa/x") == ["kept"]
    assert await manager.names("/voa/x", trash=True) == ["one", "two"]
    for _ in range(2):
        answer = await manager.post("restore", lfns=lfns)
        assert set(answer["success"]) == {"/voa/x/one", "/voa/x/two"}
        assert {lfn: failure["code"] for lfn, failure in answer["failed"].items()} == codes
    assert await manager.names("/voa/x") == ["kept", "one", "two"]
    async with db.read() as tx:
        both = sorted([ids["/voa/x/one"], ids["/voa/x/two"]])
        assert await log_of(tx) == [("alice", "delete", "a test", both), ("alice", "restore", None, both)]


async def test_the_latest_of_a_name_comes_back_while_the_name_is_free(manager: Caller) -> None:
    sizes = []
    for size in (1, 2):
        stored = [{"se": "DISK-A", "pfn": f"/voa/x/f~{size}"}]
        await manager.post("register", files=[new_file("/voa/x/f", size=size, replicas=stored)])
        await manager.post("delete", lfns=["/voa/x/f"], reason="x")
    for code in (None, "exists"):
        answer = await manager.post("restore", lfns=["/voa/x/f"])
        found = await manager.post("lookup", lfns=["/voa/x/f"], parameters=["size"])
        sizes.append(found["success"]["/voa/x/f"]["size"])
        # What was restored just now is a success again, though an older one of the name is still there.
        assert answer["failed"] == {}, code
    assert sizes == [2, 2]
    await manager.post("delete", lfns=["/voa/x/f"], reason="x")
    third = [{"se": "DISK-A", "pfn": "/voa/x/f~3"}]
    await manager.post("register", files=[new_file("/voa/x/f", size=3, replicas=third)])
    answer = await manager.post("restore", lfns=["/voa/x/f"])
    assert answer["failed"]["/voa/x/f"]["code"] == "exists"


async def test_a_removed_directory_is_hidden_as_long_as_its_trash_is_there(manager: Caller) -> None:
    await manager.register("/voa/d/e/f", "/voa/d/e/g")
    assert (await manager.post("rmdir", paths=["/voa/d", "/voa/d/e"]))["success"] == {}
    await manager.post("delete", lfns=["/voa/d/e/f", "/voa/d/e/g"], reason="x")
    answer = await manager.post("rmdir", paths=["/voa/d/e", "/voa/d", "/voa", "/voa/none", "/vob/x", "/voa//d"])
    assert set(answer["success"]) == {"/voa/d/e", "/voa/d"}
    assert {path: failure["code"] for path, failure in answer["failed"].items()} == {
        "/voa": "forbidden",
        "/voa/none": "not_found",
        "/vob/x": "not_found",
        "/voa//d": "bad_name",
    }
    assert await manager.names("/voa") == []
    await manager.refused("list", 404, path="/voa/d/e")
    assert await manager.names("/voa/d/e", trash=True) == ["f", "g"]
    await manager.post("restore", lfns=["/voa/d/e/f"])
    assert await manager.names("/voa") == ["d/"]
    assert await manager.names("/voa/d/e") == ["f"]


async def test_an_empty_directory_is_gone_once_it_is_removed(manager: Caller, db: Database) -> None:
    await manager.post("directories", paths=["/voa/d/e/f", "/voa/k"])
    answer = await manager.post("rmdir", paths=["/voa/d", "/voa/d/e", "/voa/d/e/f"])
    assert set(answer["success"]) == {"/voa/d", "/voa/d/e", "/voa/d/e/f"}
    assert await manager.post("rmdir", paths=["/voa/d", "/voa/d/e", "/voa/d/e/f"]) == answer
    async with db.read() as tx:
        assert await Sql("SELECT path FROM directories ORDER BY path", str).rows(tx) == ["/voa", "/voa/k"]


async def test_new_files_and_mkdir_take_a_hidden_directory_back(manager: Caller) -> None:
    for number, path in enumerate(("/voa/d/e", "/voa/k/l")):
        await manager.register(f"{path}/f")
        await manager.post("delete", lfns=[f"{path}/f"], reason="x")
        await manager.post("rmdir", paths=[path, path.rpartition("/")[0]])
        if number:
            made = await manager.post("directories", paths=[path])
            assert made["success"][path]["created"] is True
        else:
            await manager.register(f"{path}/g")
    assert await manager.names("/voa") == ["d/", "k/"]
    assert await manager.names("/voa/d") == ["e/"]
    assert await manager.names("/voa/k") == ["l/"]
