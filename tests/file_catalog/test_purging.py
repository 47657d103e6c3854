"""What leaves for good, what storage paths are taken, and replicas in the order of their storage paths."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.file_catalog.conftest import Caller, new_file

from weyl.file_catalog.queries.usage import recount
from weyl.file_catalog.service import purging
from weyl.kit.clock import utcnow
from weyl.kit.db import Database


async def test_a_purged_file_is_gone_with_its_replicas_and_its_name_stays(
    manager: Caller, alice: Caller, db: Database
) -> None:
    ids = await manager.register("/voa/x/one", "/voa/x/two", "/voa/x/three", ses=("DISK-A", "DISK-B"))
    await manager.register("/voa/x/child", ancestors=["/voa/x/one"])
    await manager.post("delete", lfns=["/voa/x/one", "/voa/x/two"], reason="done")
    now = utcnow() + timedelta(seconds=1)
    async with db.transaction() as tx:
        assert await purging.purgeable(tx, "voa", before=now - timedelta(days=1), limit=10) == []
        assert await purging.purgeable(tx, "vob", before=now, limit=10) == []
        [first] = await purging.purgeable(tx, "voa", before=now, limit=1)
        [second] = await purging.purgeable(tx, "voa", before=now, after=(first.trashed_at, first.file_id), limit=5)
    assert first.lfn == "/voa/x/one"
    assert first.replicas == [("DISK-A", "/voa/x/one"), ("DISK-B", "/voa/x/one")]
    # It is on its way out: nobody restores it, no look-up shows it, and it counts as trash.
    answer = await manager.post("restore", lfns=["/voa/x/one"])
    assert answer["failed"]["/voa/x/one"]["code"] == "not_found"
    used = await manager.post("usage", paths=["/voa"])
    assert used["success"]["/voa"]["trash_files"] == 2
    async with db.transaction() as tx:
        assert await purging.dropped(tx, [(second.file_id, "DISK-A")]) == 1
        assert await purging.purged(tx, [first.file_id, ids["/voa/x/three"]], author="t", reason="r", now=now) == 1
    async with db.read() as tx:
        assert await recount(tx) == []
        [again] = await purging.purgeable(tx, "voa", before=now, limit=10)
    assert again.replicas == [("DISK-B", "/voa/x/two")]
    found = await manager.post("ancestors", lfns=["/voa/x/child"])
    assert found["success"]["/voa/x/child"] == [{"lfn": "/voa/x/one", "depth": 1}]


async def test_the_trash_of_other_vos_is_passed_by_in_bounded_steps(
    manager: Caller, stranger: Caller, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "TRASH_LOOKED_AT", 3)
    others = [f"/vob/x/f{number}" for number in range(8)]
    await stranger.register(*others, ses=("DISK-OF-B",))
    await stranger.post("delete", lfns=others, reason="x")
    await manager.register("/voa/x/late")
    await manager.post("delete", lfns=["/voa/x/late"], reason="x")
    now = utcnow() + timedelta(seconds=1)
    async with db.transaction() as tx:
        [found] = await purging.purgeable(tx, "voa", before=now, limit=10)
        assert found.lfn == "/voa/x/late"
        place = (found.trashed_at, found.file_id)
        assert await purging.purgeable(tx, "voa", before=now, after=place, limit=10) == []
        assert len(await purging.purgeable(tx, "vob", before=now, limit=10)) == 3


async def test_a_path_is_taken_as_long_as_bytes_may_be_there(manager: Caller, db: Database) -> None:
    await manager.register("/voa/x/one", "/voa/d/inside")
    await manager.post("delete", lfns=["/voa/x/one"], reason="done")
    answer = await manager.post("register", files=[new_file("/voa/x/one"), new_file("/voa/x/one2")])
    assert answer["failed"]["/voa/x/one"]["code"] == "conflict"
    answer = await manager.post("register", files=[new_file("/voa/x/one", ses=("DISK-B",))])
    assert answer["success"]["/voa/x/one"]["created"] is True
    moved = [{"from": "/voa/d", "to": "/voa/e"}, {"from": "/voa/x/one2", "to": "/voa/x/one3"}]
    assert set((await manager.post("move", moves=moved))["success"]) == {"/voa/d", "/voa/x/one2"}
    pairs = [
        ("DISK-A", "/voa/x/one"),
        ("DISK-B", "/voa/x/one"),
        ("DISK-A", "/voa/d/inside"),
        ("DISK-A", "/voa/e/inside"),
        ("DISK-A", "/voa/x/one2"),
        ("DISK-A", "/voa/x/one3"),
        ("UNKNOWN", "/voa/x/one"),
    ]
    async with db.read() as tx:
        taken = await purging.paths_taken(tx, pairs, vo="voa")
    assert taken == {pairs[0], pairs[1], pairs[2], pairs[4]}


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_replicas_come_in_the_order_of_their_storage_paths(
    manager: Caller, db: Database, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(purging, "LOOKED_AT", 2)
    names = ["a/x", "a-b/x", "a/b/x", "a/zz", "b.txt/q", "b/a/b/c", "b/a/x", "zz", "a+/x", "a/b-/x"]
    await manager.register(*(f"/voa/t/{name}" for name in names), "/voa/t2/other")
    await manager.register("/voa/t/elsewhere", ses=("DISK-B",))
    stored = [{"se": "DISK-A", "pfn": "/voa/t/a/own"}]
    await manager.post("register", files=[new_file("/voa/t/c/named", replicas=stored)])
    await manager.post("move", moves=[{"from": "/voa/t/b", "to": "/voa/t/moved"}])
    await manager.post("delete", lfns=["/voa/t/zz"], reason="done")
    expected = sorted([*(f"/voa/t/{name}" for name in names), "/voa/t/a/own"])
    found: list[purging.ReplicaBelow] = []
    async with db.read() as tx:
        while True:
            after = found[-1].storage_path if found else None
            page = await purging.replicas_below(tx, "voa", "DISK-A", after, limit, under="/voa/t")
            found += page
            if len(page) < limit:
                break
        every = await purging.replicas_below(tx, "voa", "DISK-A", None, 100)
        assert await purging.replicas_below(tx, "vob", "DISK-A", None, 100) == []
    assert [each.storage_path for each in found] == expected
    assert [each.storage_path for each in every] == sorted([*expected, "/voa/t2/other"])
    lfns = {each.storage_path: each.lfn for each in found}
    assert lfns["/voa/t/b/a/x"] == "/voa/t/moved/a/x"
    assert lfns["/voa/t/a/own"] == "/voa/t/c/named"


@given(st.text(min_size=1, max_size=3), st.text(min_size=1, max_size=3))
def test_characters_and_bytes_have_one_order(one: str, other: str) -> None:
    """Storage paths are compared as texts here, and as bytes by the database and by stores."""
    if one.isprintable() and other.isprintable():
        assert (one < other) == (one.encode() < other.encode())
