"""How uploads are verified: once for each file, whatever else is away, and with the rights of the end."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.storage.uploading import (
    ALICE,
    BUCKET,
    CONTENT,
    DISK,
    World,
    committed,
    opened,
    order,
    wanted,
)

from weyl.file_catalog.permits import Member
from weyl.kit.clock import utcnow
from weyl.storage.drivers.driver import Stat
from weyl.storage.drivers.http import Door
from weyl.storage.errors import (
    Corrupt,
    Unreachable,
)
from weyl.storage.models.uploads import Committed, Opened
from weyl.storage.service import commit as commits
from weyl.storage.service.reach import Reached
from weyl.storage.service.uploads import renew
from weyl.storage.service.verification import Claim, read_stat
from weyl.storage.service.watched import WatchedDriver
from weyl.storage.tasks import pause_s
from weyl.storage.uploads import StoredPlace


async def test_a_storage_that_cannot_tell_now_leaves_the_upload_to_a_task(
    world: World,
) -> None:
    lfn = world.lfn()
    upload = await opened(world, order(wanted(lfn, CONTENT)))
    landed = await world.write(upload, {lfn: CONTENT})
    away = world.disk.rename(world.disk.with_name("away"))
    assert (await committed(world, upload, landed)).state == "verifying"
    assert (await renew(world.uploads, world.config, ALICE, upload.upload_id, now=utcnow())).state == "verifying"
    with pytest.raises(commits.Unverified):
        await settle_again(world, upload)
    away.rename(world.disk)
    assert (await settle_again(world, upload)).state == "registered"
    assert await world.visible([lfn]) == 1


async def test_what_was_proven_is_not_read_again_while_another_storage_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = world.lfn(), world.lfn()
    read: list[str] = []

    async def noted(door: Reached, claim: Claim) -> Stat | None:
        read.append(claim.path)
        return await read_stat(door, claim)

    monkeypatch.setattr("weyl.storage.service.verification.read_stat", noted)
    upload = await opened(world, order(wanted(near, CONTENT), wanted(far, CONTENT)))
    landed = await world.write(upload, {near: CONTENT}) | await world.write(upload, {far: CONTENT}, target=1)
    away = world.disk.rename(world.disk.with_name("away"))
    assert (await committed(world, upload, landed)).state == "verifying"
    pauses = [await pause_s(world.uploads, upload.upload_id)]
    for _ in range(3):
        with pytest.raises(commits.Unverified, match=DISK):
            await settle_again(world, upload)
        pauses.append(await pause_s(world.uploads, upload.upload_id))
    assert (read.count(far), pauses) == (1, [30, 60, 120, 240])
    away.rename(world.disk)
    done = await settle_again(world, upload)
    assert (done.state, done.files.keys(), read.count(far)) == ("registered", {near, far}, 1)


async def test_a_small_file_that_must_be_read_is_asked_for_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = Door.stream

    def noted(self: Door, method: str, *arguments: Any, **more: Any) -> Any:
        asked.append(method)
        return original(self, method, *arguments, **more)

    monkeypatch.setattr(Door, "stream", noted)
    lfns = [world.lfn() for _ in range(3)]
    upload = await opened(world, order(*(wanted(lfn, CONTENT) for lfn in lfns), ses=[BUCKET]))
    landed = await world.write(upload, dict.fromkeys(lfns[:2], CONTENT) | {lfns[2]: CONTENT})
    await world.store.delete([lfns[2][1:]])
    done = await committed(world, upload, landed)
    assert (done.files.keys(), done.failed[lfns[2]].detail) == (set(lfns[:2]), f"At {BUCKET}, nothing lies there")
    assert asked == ["GET"] * 3


async def test_a_file_of_which_storage_answers_nonsense_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, odd, slow = world.lfn(), world.lfn(), world.lfn()
    original = WatchedDriver.stat

    async def stat(self: WatchedDriver, paths: Sequence[str]) -> dict[str, Stat]:
        if any(path.endswith(odd) for path in paths):
            raise Corrupt(f"{DISK} answers a size that is no number")
        if is_slow and any(path.endswith(slow) for path in paths):
            raise Unreachable(f"{DISK} did not answer")
        return await original(self, paths)

    monkeypatch.setattr(WatchedDriver, "stat", stat)
    monkeypatch.setattr("weyl.storage.service.verification.SMALL_BYTES", -1)
    is_slow = True
    files = dict.fromkeys((good, odd, slow), CONTENT)
    upload = await opened(world, order(*(wanted(lfn, CONTENT) for lfn in files)))
    assert (await committed(world, upload, await world.write(upload, files))).state == "verifying"
    is_slow = False
    done = await settle_again(world, upload)
    assert (done.state, done.files.keys(), done.failed.keys()) == ("registered", {good, slow}, {odd})
    assert "a size that is no number" in done.failed[odd].detail


async def test_rights_are_those_of_the_time_when_it_is_registered(world: World) -> None:
    foreign, own, other = "/voa/user/b/bob/from-alice", world.lfn(), world.lfn()
    odd = f"/voa/user/b/bob/{world.lfn().rpartition('/')[2]}"
    (world.disk / odd[1:]).parent.mkdir(parents=True, exist_ok=True)
    (world.disk / odd[1:]).write_bytes(CONTENT)
    once = Member("voa", "alice", "user", True)
    files = [wanted(own, CONTENT), wanted(foreign, CONTENT), wanted(other, CONTENT, at=[StoredPlace(DISK, odd)])]
    upload = await opened(world, order(*files), member=once)
    assert upload.failed == {}
    landed = await world.write(upload, {own: CONTENT, foreign: CONTENT})
    done = await committed(world, upload, landed)
    assert (done.files.keys(), done.failed.keys()) == ({own}, {foreign, other})
    assert {failure.code for failure in done.failed.values()} == {"forbidden"}


async def settle_again(world: World, upload: Opened) -> Committed:
    async with world.uploads.db.read() as tx:
        found = await commits.queries.select_upload(tx, upload.upload_id)
    assert found is not None
    return await commits.settle(world.uploads, world.config, found)
