"""What comes after uploads: the trash is emptied, what is left behind is swept, and the comparison finds the rest."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.storage.uploading import (
    ALICE,
    BUCKET,
    CONTENT,
    DISK,
    World,
    checksums_of,
    opened,
    order,
    put,
    wanted,
)

from weyl.kit.clock import utcnow
from weyl.kit.sql import Sql
from weyl.storage.errors import BadCheck, UnknownElement
from weyl.storage.models.check import CheckRequest
from weyl.storage.permits import Prober
from weyl.storage.service.check import check
from weyl.storage.service.commit import CommitOrder, commit
from weyl.storage.service.figures import figures
from weyl.storage.service.purge import Turn, purge
from weyl.storage.service.removal import OVERDUE
from weyl.storage.service.sweep import sweep
from weyl.storage.service.uploads import abandon
from weyl.storage.service.watched import WatchedDriver

_TOMBSTONES = Sql("SELECT lfn FROM tombstones ORDER BY lfn", str)


async def delete(world: World, *lfns: str) -> None:
    body = {"lfns": list(lfns), "reason": "test"}
    answer = await world.application.client.post("/api/files/delete", json=body, headers=world.application.login())
    assert answer.json()["failed"] == {}, answer.text


async def purged(world: World, days: float = 8) -> Turn:
    return await purge(world.uploads, world.config, "voa", now=utcnow() + timedelta(days=days))


async def restored(world: World, lfn: str) -> bool:
    answer = await world.application.client.post(
        "/api/files/restore", json={"lfns": [lfn]}, headers=world.application.login()
    )
    return lfn in answer.json()["success"]


async def test_the_bytes_go_when_the_time_in_the_trash_is_over_and_the_row_after_them(world: World) -> None:
    kept, on_disk, in_bucket = world.lfn(), world.lfn(), world.lfn()
    await put(world, kept)
    await put(world, on_disk)
    await put(world, in_bucket, target=1)
    await world.sweep()
    await delete(world, on_disk, in_bucket)
    assert (await purged(world, days=6)).purged == 0
    assert (DISK, on_disk) in await world.stored()
    assert (await purged(world)).purged == 2
    assert await world.stored() == {(DISK, kept)}
    assert await world.files() == {kept: "Good"}
    async with world.uploads.db.read() as tx:
        assert await _TOMBSTONES.rows(tx) == sorted([on_disk, in_bucket])
    assert await world.findings() == []
    assert not await restored(world, on_disk)


async def test_nothing_is_purged_while_a_request_of_its_upload_may_still_write_there(world: World) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT), ses=[BUCKET]))
    await commit(
        world.uploads,
        world.config,
        ALICE,
        CommitOrder(upload.upload_id, await world.write(upload, {lfn: CONTENT})),
        now=utcnow(),
    )
    await delete(world, lfn)
    operations = world.config.operations["voa"]
    at_once = operations.data_management.model_copy(update={"trash_days": 0})
    impatient = operations.model_copy(update={"data_management": at_once})
    config = world.config.model_copy(update={"operations": {**world.config.operations, "voa": impatient}})
    for minutes, count in ((1, 0), (119, 0), (121, 1)):
        turn = await purge(world.uploads, config, "voa", now=utcnow() + timedelta(minutes=minutes))
        assert turn.purged == count, minutes
    assert await world.stored() == set()


async def test_a_storage_that_refuses_keeps_its_files_and_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weyl.storage.service.purge.BATCH", 2)
    stuck, others = [world.lfn() for _ in range(4)], [world.lfn() for _ in range(4)]
    for lfn in stuck:
        await put(world, lfn)
    for lfn in others:
        await put(world, lfn, target=1)
    await delete(world, *stuck, *others)
    away = world.disk.rename(world.disk.with_name("away"))
    turn = await purged(world)
    assert (turn.purged, dict(turn.refused), turn.after) == (4, {DISK: 4}, None)
    async with world.uploads.db.read() as tx:
        figure = next(each for each in await figures(tx) if each.name == "weyl_replicas_not_purged")
    assert list(figure.rows) == [(("voa", DISK), 4.0)]
    elements = await world.application.client.get("/api/storage", headers=world.application.login())
    told = {each["name"]: each["usage"] for each in elements.json()}
    assert told[DISK]["not_purged"] == 4
    assert told[DISK]["not_purged_since"] is not None
    assert (told[BUCKET] or {"not_purged": 0})["not_purged"] == 0
    # What is being purged does not come back, whatever its storage says.
    assert not await restored(world, stuck[0])
    away.rename(world.disk)
    assert (await purged(world)).purged == 4
    await world.sweep()
    assert (await world.stored(), await world.files()) == (set(), {})


async def test_nothing_is_deleted_after_its_time_whatever_storage_was_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("purge", "sweep"):
        monkeypatch.setattr(f"weyl.storage.service.{module}.WITHIN_S", 0.2)
    monkeypatch.setattr("weyl.storage.service.removal.DELETED_AT_ONCE", 1)
    stuck, left = [world.lfn() for _ in range(2)], world.lfn()
    for lfn in stuck:
        await put(world, lfn)
    await world.sweep()
    await delete(world, *stuck)
    upload = await opened(world, order(wanted(left, CONTENT), ses=[DISK]))
    await world.write(upload, {left: CONTENT})
    await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())
    asked: list[str] = []

    async def hang(_: object, paths: Sequence[str]) -> dict[str, str]:
        asked.extend(paths)
        await asyncio.sleep(30)
        return {}

    with monkeypatch.context() as slow:
        slow.setattr(WatchedDriver, "delete", hang)
        turn = await purged(world)
        assert (turn.purged, turn.reasons, len(asked)) == (0, {DISK: OVERDUE}, 1)
        await world.sweep()
        assert len(asked) == 2
    assert [path for _, path, _ in await world.intents()] == [left]
    assert (await purged(world)).purged == 2
    await world.sweep(timedelta(days=4))
    assert (await world.stored(), await world.intents()) == (set(), [])


async def test_a_turn_that_takes_long_says_where_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weyl.storage.service.purge.BATCH", 1)
    lfns = [world.lfn() for _ in range(2)]
    for lfn in lfns:
        await put(world, lfn)
    await delete(world, *lfns)
    now = utcnow() + timedelta(days=8)
    first = await purge(world.uploads, world.config, "voa", now=now, turn_s=0)
    assert first.after is not None
    rest = await purge(world.uploads, world.config, "voa", now=now, after=first.after)
    assert (first.purged, rest.purged, rest.after) == (1, 1, None)


async def test_the_name_of_a_purged_file_has_its_own_path_again(world: World) -> None:
    lfn = world.lfn()
    await put(world, lfn)
    await world.sweep()
    await delete(world, lfn)
    await purged(world)
    await put(world, lfn, b"another")
    assert await world.replicas() == {(lfn, DISK, lfn)}


async def test_a_place_that_cannot_be_swept_is_tried_again_later_and_says_why(world: World) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT), ses=[DISK]))
    await world.write(upload, {lfn: CONTENT})
    await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())
    away = world.disk.rename(world.disk.with_name("away"))
    await world.sweep()
    assert [state for _, _, state in await world.intents()] == ["abandoned"]
    away.rename(world.disk)
    await world.sweep()
    assert len(await world.intents()) == 1, "not before its time"
    await world.sweep(timedelta(days=3, minutes=2))
    assert (await world.intents(), await world.stored()) == ([], set())


async def test_the_comparison_finds_what_is_lost_dark_truncated_and_different(world: World) -> None:
    lost, truncated, longer, different, good = (world.lfn() for _ in range(5))
    for lfn in (lost, truncated, longer, different, good):
        await put(world, lfn)
    in_bucket = world.lfn()
    await put(world, in_bucket, target=1)
    await world.store.delete([in_bucket[1:]])
    await world.store.put("voa/dark/object", b"x")
    place = {lfn: world.disk / lfn[1:] for lfn in (lost, truncated, longer, different)}
    place[lost].unlink()
    place[truncated].write_bytes(CONTENT[:-1])
    place[longer].write_bytes(CONTENT + b"x")
    place[different].write_bytes(CONTENT.upper())
    (world.disk / "voa" / "dark").write_bytes(b"x")
    expected = {
        ("lost", lost),
        ("truncated", truncated),
        ("differs", longer),
        ("dark", "/voa/dark"),
        ("lost", in_bucket),
        ("dark", "/voa/dark/object"),
    }
    quick = {(each.kind, each.path) for each in await world.findings(checksums=False)}
    thorough = {(each.kind, each.path) for each in await world.findings()}
    assert quick == expected
    assert thorough == expected | {("differs", different)}


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_the_comparison_finds_the_same_in_pages_of_any_size(
    world: World, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lfns = [world.lfn() for _ in range(4)]
    for lfn in lfns:
        await put(world, lfn)
    for lfn in lfns[:2]:
        (world.disk / lfn[1:]).unlink()
    for number in range(3):
        (world.disk / "voa" / f"dark{number}").write_bytes(b"x")
    everything = await world.findings(DISK, checksums=False)
    assert len(everything) == 5
    monkeypatch.setattr("weyl.storage.service.check.PAGE", page)
    assert await world.findings(DISK, checksums=False) == everything


async def test_the_comparison_looks_where_it_is_told_to_and_only_at_what_is_the_vos(world: World) -> None:
    lfn = world.lfn()
    await put(world, lfn)
    (world.disk / "voa" / "dark").write_bytes(b"x")
    (world.disk / "vob").mkdir()
    (world.disk / "vob" / "file").write_bytes(b"x")

    async def compared(under: str | None) -> tuple[int, int]:
        page = await check(world.uploads, world.config, Prober("voa"), CheckRequest(se=DISK, under=under))
        return page.compared, len(page.findings)

    assert await compared(None) == (2, 1)
    assert await compared("/voa/user") == (1, 0)
    assert await compared("/voa/nowhere") == (0, 0)
    for wrong in ("/vob", "voa", "/voa/../vob"):
        with pytest.raises(BadCheck):
            await compared(wrong)
    with pytest.raises(UnknownElement):
        await check(world.uploads, world.config, Prober("voa"), CheckRequest(se="NOWHERE"))


async def test_odd_names_are_told_and_stop_nothing(world: World) -> None:
    lfn = world.lfn()
    await put(world, lfn)
    below = os.fsencode(world.disk / "voa")
    for name in (b"50%?", b"\xff\xfe", b"with blank", b"~", b"line\nbreak", b"x" * 250, "é".encode(), b"a\\b"):
        Path(os.fsdecode(below + b"/" + name)).write_bytes(b"x")
    found = [each.path for each in await world.findings(DISK)]
    assert len(found) == 8
    assert f"/voa/{chr(0xFFFD) * 2}" in found
    operator = world.application.login(properties=["Operator"])
    for wrong in (
        {"cursor": "/voa/" + "x" * 9_000},
        {"cursor": "/voa//x"},
        {"cursor": "/voa/../x"},
        {"under": "/voa/é"},
    ):
        answer = await world.application.client.post("/api/storage/check", json={"se": DISK, **wrong}, headers=operator)
        assert answer.status_code in (200, 400), answer.text


async def test_an_element_that_left_the_configuration_holds_up_no_other(world: World) -> None:
    stuck, other, late = world.lfn(), world.lfn(), world.lfn()
    await put(world, stuck)
    await put(world, other, target=1)
    upload = await opened(world, order(wanted(late, CONTENT)))
    landed = await world.write(upload, {late: CONTENT})
    await delete(world, stuck, other)
    resources = world.config.resources
    elements = {name: each for name, each in resources.storage_elements.items() if name != DISK}
    without = world.config.model_copy(update={"resources": resources.model_copy(update={"storage_elements": elements})})
    meant = CommitOrder(upload.upload_id, landed)
    assert (await commit(world.uploads, without, ALICE, meant, now=utcnow())).state == "verifying"
    now = utcnow() + timedelta(days=8)
    turn = await purge(world.uploads, without, "voa", now=now)
    assert (turn.purged, dict(turn.refused)) == (1, {DISK: 1})
    await sweep(world.uploads, without, now=now)
    assert {se for se, _, _ in await world.intents()} == {DISK}
    assert (await purged(world)).purged == 1
    await world.sweep(timedelta(days=9))
    assert (await world.intents(), await world.stored()) == ([], set())


async def test_nobody_vouches_for_what_an_upload_may_be_writing_or_has_left(world: World) -> None:
    lfn, other = world.lfn(), world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT), ses=[DISK]))
    assert await vouched(world, lfn) == {lfn: "conflict"}
    assert await vouched(world, other, pfn=lfn) == {other: "conflict"}
    await world.write(upload, {lfn: CONTENT})
    await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())
    assert await vouched(world, lfn) == {lfn: "conflict"}
    await world.sweep()
    assert await world.stored() == set()
    (world.disk / lfn[1:]).write_bytes(CONTENT)
    assert await vouched(world, lfn) == {}
    assert await world.intents() == []
    assert await world.replicas() == {(lfn, DISK, lfn)}


async def test_an_upload_takes_no_place_from_somebody_who_vouched_while_it_was_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lfn, other = world.lfn(), world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT), ses=[DISK]))
    landed = await world.write(upload, {lfn: CONTENT})

    async def nowhere(*_: object, **__: object) -> set[tuple[str, str]]:
        return set()

    # As if its places had been noted a moment later.
    monkeypatch.setattr("weyl.storage.queries.intents._SELECT_PLACES.rows", nowhere)
    assert await vouched(world, other, pfn=lfn) == {}
    done = await commit(world.uploads, world.config, ALICE, CommitOrder(upload.upload_id, landed), now=utcnow())
    assert (done.state, done.failed[lfn].code) == ("failed", "conflict")
    await world.sweep()
    assert await world.stored() == {(DISK, lfn)}
    assert await world.replicas() == {(other, DISK, lfn)}


async def vouched(world: World, lfn: str, **place: str) -> dict[str, str]:
    """Register a file on somebody's word; returns what was refused."""
    sums = checksums_of(CONTENT).as_json()
    file = {"lfn": lfn, "size": len(CONTENT), "checksums": sums, "replicas": [{"se": DISK, **place}]}
    answer = await world.application.client.post(
        "/api/files/register",
        json={"files": [file], "atomic": False},
        headers=world.application.login(properties=["FileCatalogManagement"]),
    )
    assert answer.status_code == 200, answer.text
    return {name: failure["code"] for name, failure in answer.json()["failed"].items()}


async def test_places_of_uploads_are_not_dark(world: World) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    await world.write(upload, {lfn: CONTENT})
    await world.write(upload, {lfn: CONTENT}, target=1)
    assert await world.findings() == []
    await abandon(world.uploads, ALICE, upload.upload_id, now=utcnow())
    assert await world.findings() == []
    assert {se for se, _ in await world.stored()} == {DISK, BUCKET}
