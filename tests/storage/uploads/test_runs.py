"""The outputs of a run of a job as an upload: one for each run, and nothing of a run that is over."""

import asyncio
from datetime import timedelta

import pytest
from tests.storage.uploading import ALICE, CONTENT, World, committed, opened, order, wanted

from weyl.file_catalog.registrations import JobRun
from weyl.file_catalog.service.trash import delete
from weyl.kit.clock import utcnow
from weyl.storage.errors import UploadDiffers, UploadOver
from weyl.storage.service.state import UploadOrder
from weyl.storage.uploads import Wanted


def outputs(*files: Wanted, job_id: int = 7, attempt: int = 1, pilot: str = "pilot") -> UploadOrder:
    return order(*files, is_atomic=True, job=JobRun(job_id, attempt), pilot_stamp=pilot)


async def test_a_run_that_asks_again_has_the_same_upload(world: World) -> None:
    file = wanted(world.lfn(), CONTENT, name="out.root")
    first = await opened(world, outputs(file))
    both = await asyncio.gather(*(opened(world, outputs(file)) for _ in range(3)))
    assert {each.upload_id for each in both} == {first.upload_id}
    assert both[0].files["out.root"].targets
    with pytest.raises(UploadDiffers):
        await opened(world, outputs(wanted(file.lfn, b"other", name="out.root")))
    other = await opened(world, outputs(file, pilot="another"))
    assert other.upload_id != first.upload_id
    states = await world.states()
    assert (states[first.upload_id], states[other.upload_id]) == ("abandoned", "open")


async def test_the_outputs_of_a_run_end_its_job_with_them(world: World) -> None:
    file = wanted(world.lfn(), CONTENT, name="out.root")
    upload = await opened(world, outputs(file))
    landed = await world.write(upload, {"out.root": CONTENT})
    done = await committed(world, upload, landed, who=JobRun(7, 1))
    assert (done.state, done.files["out.root"].lfn) == ("registered", file.lfn)
    assert world.jobs.told == [("registered", 7, "")]
    again = await opened(world, outputs(file))
    assert (again.upload_id, again.state) == (upload.upload_id, "registered")


async def test_wrong_outputs_fail_the_job(world: World) -> None:
    upload = await opened(world, outputs(wanted(world.lfn(), CONTENT, name="out.root")))
    landed = await world.write(upload, {"out.root": b"xxxx events"})
    done = await committed(world, upload, landed, who=JobRun(7, 1))
    assert done.state == "failed"
    assert [(word, job_id) for word, job_id, _ in world.jobs.told] == [("failed", 7)]
    assert "out.root" in world.jobs.told[0][2]


async def test_a_run_that_was_given_up_registers_nothing_however_late_it_comes(world: World) -> None:
    file = wanted(world.lfn(), CONTENT, name="out.root")
    upload = await opened(world, outputs(file))
    landed = await world.write(upload, {"out.root": CONTENT})
    with pytest.raises(UploadOver):
        await committed(world, upload, landed, who=JobRun(7, 2))
    assert await world.states() == {upload.upload_id: "open"}, "a run has no say in the upload of another"
    world.jobs.over.add(7)
    with pytest.raises(UploadOver):
        await committed(world, upload, landed, who=JobRun(7, 1))
    assert (await world.states(), world.jobs.told) == ({upload.upload_id: "abandoned"}, [])
    world.jobs.over.clear()
    with pytest.raises(UploadOver):
        await committed(world, upload, landed, who=JobRun(7, 1))
    await world.sweep()
    assert (await world.files(), await world.stored()) == ({}, set())


async def test_the_outputs_of_a_later_run_replace_those_of_an_earlier_one(world: World) -> None:
    same, changed, dropped = world.lfn(), world.lfn(), world.lfn()
    first = outputs(wanted(same, CONTENT), wanted(changed, b"one"), wanted(dropped, CONTENT))
    second = outputs(wanted(same, CONTENT), wanted(changed, b"two"), attempt=2)
    for meant, contents in (
        (first, {same: CONTENT, changed: b"one", dropped: CONTENT}),
        (second, {same: CONTENT, changed: b"two"}),
    ):
        upload = await opened(world, meant)
        done = await committed(world, upload, await world.write(upload, contents), who=meant.job)
        assert done.state == "registered", done
    replicas = {lfn: path for lfn, _, path in await world.replicas()}
    assert replicas.keys() == {same, changed}
    assert (world.disk / replicas[changed][1:]).read_bytes() == b"two"
    assert await world.findings() == []


async def test_outputs_that_others_have_registered_and_deleted_again_fail_the_job(world: World) -> None:
    file = wanted(world.lfn(), CONTENT)
    mine = await opened(world, order(file))
    await committed(world, mine, await world.write(mine, {file.lfn: CONTENT}))
    upload = await opened(world, outputs(file))
    assert upload.files[file.lfn].state == "registered"
    async with world.uploads.db.transaction() as tx:
        await delete(tx, ALICE, [file.lfn], reason="old", config=world.config, now=utcnow())
    done = await committed(world, upload, {}, who=JobRun(7, 1))
    assert (done.state, done.failed[file.lfn].code) == ("failed", "not_found")
    assert [(word, job_id) for word, job_id, _ in world.jobs.told] == [("failed", 7)]


async def test_a_run_whose_outputs_are_all_there_still_replaces_those_of_an_earlier_one(world: World) -> None:
    old, there = world.lfn(), world.lfn()
    first, mine = outputs(wanted(old, CONTENT)), order(wanted(there, CONTENT))
    for meant, lfn in ((first, old), (mine, there)):
        upload = await opened(world, meant)
        await committed(world, upload, await world.write(upload, {lfn: CONTENT}), who=meant.job or ALICE)
    later = await opened(world, outputs(wanted(there, CONTENT), attempt=2))
    assert (await committed(world, later, {}, who=JobRun(7, 2))).state == "registered"
    assert await world.files() == {old: "Trash", there: "Good"}


async def test_an_upload_of_a_job_that_is_never_verified_fails_it(world: World) -> None:
    upload = await opened(world, outputs(wanted(world.lfn(), CONTENT, name="out")))
    landed = await world.write(upload, {"out": CONTENT})
    world.disk.rename(world.disk.with_name("away"))
    assert (await committed(world, upload, landed, who=JobRun(7, 1))).state == "verifying"
    await world.sweep(timedelta(hours=25))
    assert await world.states() == {upload.upload_id: "abandoned"}
    assert [(word, job_id) for word, job_id, _ in world.jobs.told] == [("failed", 7)]
