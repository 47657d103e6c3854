"""The output data of a run: all of its files become visible together or not at all, for the run that counts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.jobs.conftest import Rows, iso
from tests.jobs.files_world import HOME, OTHER, STAMP, FilesWorld, described

from weyl.file_catalog.queries.of_jobs import select_outputs_of_job
from weyl.jobs.service.run_uploads import RunUploads
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE
from weyl.storage.additions import RunUpload
from weyl.storage.errors import UploadOver
from weyl.storage.tables import uploads


def report(status: str, minor: str = "x") -> dict[str, Any]:
    """Return a report of the wrapper."""
    return {iso(utcnow()): {"Status": status, "MinorStatus": minor, "Source": "JobWrapper"}}


async def say(world: FilesWorld, job_id: int, status: str, *, stamp: str = STAMP) -> None:
    """Report a status as the payload."""
    headers = world.application.payload(job_id, stamp=stamp)
    answer = await world.application.client.patch("/api/jobs/status", json={job_id: report(status)}, headers=headers)
    assert answer.status_code == 200, answer.text


async def upload_states(world: FilesWorld) -> list[str]:
    """Return the states of all uploads, the oldest first."""
    async with world.db.read() as tx:
        return list(await tx.scalars(sa.select(uploads.c.state).order_by(uploads.c.upload_id)))


async def test_who_may_not_say_what_a_job_has_left(world: FilesWorld) -> None:
    [job_id] = await world.run(OutputData=["a"])
    opened = await world.open(job_id, {"a": b"a"})
    app = world.application
    for headers, status in (
        ({}, 401),
        (app.login(), 403),
        (app.login("bob", group="admin"), 403),
        (app.login(vo="vob", group="admin"), 403),
        (app.payload(job_id, stamp=OTHER), 403),
        (app.payload(job_id, stamp=STAMP, vo="vob"), 403),
        (app.payload(job_id + 1, stamp=STAMP), 403),
        (app.pilot(OTHER), 403),
    ):
        for path in (f"{job_id}/outputs", f"{job_id}/outputs/{opened['upload_id']}/commit"):
            body = {"files": []} if path.endswith("outputs") else {"landed": {}}
            assert (await world.call(path, body, headers=headers)).status_code == status, (path, headers)
    assert await world.outputs(job_id) == {}
    assert await upload_states(world) == ["open"]


async def test_output_data_are_called_as_the_description_says(world: FilesWorld) -> None:
    [plain] = await world.run(OutputData=["a.root", "out/*.json", "LFN:/voa/user/a/alice/x/b.root"])
    contents = {"a.root": b"1", "out/c.json": b"22", "out/d.json": b"333", "LFN:/voa/user/a/alice/x/b.root": b""}
    opened = await world.leave(plain, contents)
    below = f"{HOME}/{plain // 1000}/{plain}"
    assert {name: each["lfn"] for name, each in opened["files"].items()} == {
        "a.root": f"{below}/a.root",
        "out/c.json": f"{below}/out/c.json",
        "out/d.json": f"{below}/out/d.json",
        "LFN:/voa/user/a/alice/x/b.root": f"{HOME}/x/b.root",
    }
    assert set(await world.outputs(plain)) == {each["lfn"] for each in opened["files"].values()}
    [placed] = await world.run(OutputData=["a"], OutputPath="mc/2026", OutputSE=["BETA-DISK"])
    opened = await world.leave(placed, {"a": b"1"})
    assert opened["files"]["a"]["lfn"] == f"{HOME}/mc/2026/a"
    assert [target["se"] for target in opened["files"]["a"]["targets"]] == ["BETA-DISK"]


async def test_files_of_workflows_are_called_by_job_and_go_where_their_output_is_bound(world: FilesWorld) -> None:
    outputs = [{"Source": "o", "Path": "/voa/user/a/alice/cwl", "SE": ["BETA-DISK"]}, {"Source": "p", "SE": []}]
    workflow = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": outputs}
    [job_id] = await world.run(Workflow=workflow, OutputData=["o", "p"], Executable=None)
    more = {"outputs/a.txt": {"output": "o"}, "outputs/d/b.txt": {"output": "p"}}
    opened = await world.leave(job_id, {"outputs/a.txt": b"a", "outputs/d/b.txt": b"b"}, **more)
    assert opened["files"]["outputs/a.txt"]["lfn"] == f"{HOME}/cwl/{job_id}_a.txt"
    assert opened["files"]["outputs/a.txt"]["targets"][0]["se"] == "BETA-DISK"
    assert opened["files"]["outputs/d/b.txt"]["lfn"] == f"{HOME}/{job_id // 1000}/{job_id}/{job_id}_d/b.txt"
    assert opened["files"]["outputs/d/b.txt"]["targets"][0]["se"] == "ALPHA-DISK"


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ([described(b"", "b")], "No file for the output data 'a'"),
        ([described(b"", "a"), described(b"", "b")], "'b' is not among the output data"),
        ([described(b"", "a"), described(b"", "a")], "'a' is named twice"),
        ([described(b"", "a"), described(b"", "LFN:/voa/x")], "is not among the output data"),
        ([described(b"", "a") | {"checksums": {"sha256": "x"}}], "sha256 has 64 hexadecimal digits"),
        ([], "No file for the output data 'a'"),
    ],
)
async def test_a_run_leaves_what_its_job_was_to_leave_and_nothing_else(
    world: FilesWorld, files: list[Any], word: str
) -> None:
    [job_id] = await world.run(OutputData=["a"])
    answer = await world.call(f"{job_id}/outputs", {"files": files})
    assert answer.status_code == 400
    assert word in answer.json()["detail"]
    assert await upload_states(world) == []


async def test_a_job_without_output_data_leaves_none(world: FilesWorld) -> None:
    [job_id] = await world.run()
    answer = await world.call(f"{job_id}/outputs", {"files": [described(b"", "a")]})
    assert (answer.status_code, "asks for none" in answer.text) == (400, True)


async def test_a_workflow_whose_outputs_are_null_has_nothing_to_store(world: FilesWorld, row: Rows) -> None:
    workflow = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": [{"Source": "o", "SE": []}]}
    [job_id] = await world.run(Workflow=workflow, OutputData=["o"], Executable=None)
    answer = await world.call(f"{job_id}/outputs", {"files": []})
    assert answer.json() == {"upload_id": None, "state": "registered", "expires_at": None, "files": {}, "failed": {}}
    assert await row(job_id, "output_state") == "registered"
    await say(world, job_id, "Done")
    assert await row(job_id, "status") == "Done"


async def test_an_output_that_is_always_a_file_must_be_there_or_have_been_there(world: FilesWorld, row: Rows) -> None:
    outputs = [{"Source": "o", "SE": [], "Required": True}, {"Source": "p", "SE": []}]
    workflow = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": outputs}
    [job_id] = await world.run(Workflow=workflow, OutputData=["o", "p"], Executable=None)
    other = described(b"", "outputs/x") | {"output": "p"}
    for files in ([], [other]):
        answer = await world.call(f"{job_id}/outputs", {"files": files})
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            f"No file for the output data 'o' of job {job_id}",
        )
    assert await row(job_id, "output_state") == "wanted"
    answer = await world.call(f"{job_id}/outputs", {"files": [], "elsewhere": ["o"]})
    assert answer.json()["state"] == "registered"


async def test_a_run_that_leaves_nothing_replaces_what_the_first_has_registered(world: FilesWorld, row: Rows) -> None:
    workflow = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": [{"Source": "o", "SE": []}]}
    [job_id] = await world.run(Workflow=workflow, OutputData=["o"], Executable=None)
    await world.leave(job_id, {"outputs/a": b"first"}, **{"outputs/a": {"output": "o"}})
    await again(world, job_id)
    answer = await world.call(f"{job_id}/outputs", {"files": []}, stamp=OTHER)
    assert answer.json()["state"] == "registered", answer.text
    async with world.db.read() as tx:
        assert [(each.status, each.attempt) for each in await select_outputs_of_job(tx, job_id)] == [("Trash", 1)]


async def test_the_same_question_gets_the_same_upload(world: FilesWorld) -> None:
    [job_id] = await world.run(OutputData=["a"])
    first = await world.open(job_id, {"a": b"a"})
    again = await world.open(job_id, {"a": b"a"})
    assert again["upload_id"] == first["upload_id"]
    assert again["files"]["a"]["lfn"] == first["files"]["a"]["lfn"]
    answers = [await world.commit(job_id, first) for _ in range(2)]
    assert [answer.json()["state"] for answer in answers] == ["registered", "registered"]
    assert await upload_states(world) == ["registered"]


async def test_fifty_files_are_visible_together_at_the_cost_of_one(world: FilesWorld, row: Rows) -> None:
    counts = []
    for number in (1, 50, 2):  # the first one also makes the directories above
        [job_id] = await world.run(OutputData=["*"], OutputPath=f"many/{number}")
        opened = await world.open(job_id, {f"f{each}": b"%d" % each for each in range(number)})
        assert await world.outputs(job_id) == {}
        with world.application.services[DATABASE].count_statements() as count:
            assert (await world.commit(job_id, opened)).json()["state"] == "registered"
        counts.append(len(count))
        assert len(await world.outputs(job_id)) == number
        assert await row(job_id, "output_state") == "registered"
    assert counts[1] == counts[2]


async def test_with_one_wrong_file_nothing_is_visible_and_the_job_fails(world: FilesWorld, row: Rows) -> None:
    [job_id] = await world.run(OutputData=["*"])
    opened = await world.open(job_id, {f"f{each}": b"right" for each in range(50)})
    Path(opened["files"]["f7"]["targets"][0]["request"]["path"]).write_bytes(b"wrong")
    answer = await world.commit(job_id, opened)
    assert answer.json()["state"] == "failed"
    assert list(answer.json()["failed"]) == ["f7"]
    assert await world.outputs(job_id) == {}
    await say(world, job_id, "Done")
    assert (await row(job_id, "status"), await row(job_id, "minor_status")) == ("Failed", "Uploading Outputs")


async def test_the_next_run_replaces_what_the_first_has_registered(world: FilesWorld, row: Rows) -> None:
    [job_id] = await world.run(OutputData=["*"])
    await world.leave(job_id, {"a": b"first", "b": b"first"})
    below = f"{HOME}/{job_id // 1000}/{job_id}"
    assert await world.outputs(job_id) == {f"{below}/a": ("Good", 1), f"{below}/b": ("Good", 1)}
    await again(world, job_id)
    assert await row(job_id, "output_state") == "wanted"
    await world.leave(job_id, {"a": b"second"}, stamp=OTHER)
    async with world.db.read() as tx:
        found = [(each.lfn, each.status, each.attempt) for each in await select_outputs_of_job(tx, job_id)]
    assert sorted(found) == [(f"{below}/a", "Good", 2), (f"{below}/a", "Trash", 1), (f"{below}/b", "Trash", 1)]


async def reschedule(world: FilesWorld, job_id: int) -> None:
    """Let a job begin anew."""
    path = "/api/jobs/reschedule"
    answer = await world.application.client.post(path, json={"job_ids": [job_id]}, headers=world.application.login())
    assert answer.status_code == 200, answer.text


async def again(world: FilesWorld, job_id: int) -> None:
    """Give a job another run, on another pilot."""
    await reschedule(world, job_id)
    async with world.db.transaction() as tx:
        values = {"status": "Running", "pilot_stamp": OTHER, "site": "LCG.Alpha.org"}
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**values))
        await tx.execute(
            sa.text("INSERT INTO job_pilots (job_id, pilot_stamp) VALUES (:j, :s)"), {"j": job_id, "s": OTHER}
        )


async def test_a_run_that_was_given_up_commits_too_late(world: FilesWorld) -> None:
    [job_id] = await world.run(OutputData=["a"])
    late = await world.open(job_id, {"a": b"late"})
    await again(world, job_id)
    answer = await world.commit(job_id, late)
    assert answer.status_code == 409, answer.text
    assert await upload_states(world) == ["abandoned"]
    assert await world.outputs(job_id) == {}
    assert (await world.call(f"{job_id}/outputs", {"files": [described(b"late", "a")]})).status_code == 409
    await world.leave(job_id, {"a": b"second"}, stamp=OTHER)
    assert set((await world.outputs(job_id)).values()) == {("Good", 2)}
    assert (await world.commit(job_id, late)).status_code == 409


async def test_a_commit_and_another_run_at_one_time_leave_one_of_two_ends(
    world: FilesWorld, row: Rows, take_part: Callable[[int], Any]
) -> None:
    for _ in take_part(10).of(range(50)):
        [job_id] = await world.run(OutputData=["*"])
        opened = await world.open(job_id, {"a": b"a", "b": b"b"})
        committed, _ = await asyncio.gather(world.commit(job_id, opened), reschedule(world, job_id))
        visible = set((await world.outputs(job_id)).values())
        assert (committed.status_code, visible) in ((200, {("Good", 1)}), (409, set()))
        assert (await row(job_id, "status"), await row(job_id, "output_state")) == ("Received", "wanted")


async def test_another_run_cannot_commit_what_a_run_has_opened(world: FilesWorld) -> None:
    [job_id] = await world.run(OutputData=["a"])
    opened = await world.open(job_id, {"a": b"a"})
    await again(world, job_id)
    assert (await world.commit(job_id, opened, stamp=OTHER)).status_code == 409
    assert await world.outputs(job_id) == {}


@pytest.mark.parametrize("status", ["Failed", "Killed", "Received", "Waiting", "Done"])
async def test_a_run_that_has_ended_commits_nothing(world: FilesWorld, status: str) -> None:
    [job_id] = await world.run(OutputData=["a"])
    opened = await world.open(job_id, {"a": b"a"})
    async with world.db.transaction() as tx:
        values = {"status": status, "output_state": None if status == "Done" else "wanted"}
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**values))
    assert (await world.commit(job_id, opened)).status_code == 409
    assert await world.outputs(job_id) == {}
    assert await upload_states(world) == ["abandoned"]


def run_of(job: int, **more: Any) -> RunUpload:
    """Return the upload of the first run of a job."""
    return RunUpload(**{"upload_id": 1, "vo": "voa", "job_id": job, "attempt": 1, "pilot_stamp": STAMP, **more})


@pytest.mark.parametrize("more", [{"attempt": 2}, {"pilot_stamp": OTHER}, {"vo": "vob"}, {"job_id": 10**9}])
async def test_only_the_upload_of_the_run_itself_is_admitted(world: FilesWorld, more: dict[str, Any]) -> None:
    [job_id] = await world.run(OutputData=["a"])
    async with world.db.transaction() as tx:
        await RunUploads().admit(tx, run_of(job_id), now=utcnow())
        with pytest.raises(UploadOver):
            await RunUploads().admit(tx, run_of(job_id, **more), now=utcnow())


async def test_a_job_that_waits_for_its_output_ends_by_itself(world: FilesWorld, row: Rows, history: Rows) -> None:
    good, bad = await world.run(OutputData=["a"], status="Completed", count=2)
    async with world.db.transaction() as tx:
        await RunUploads().registered(tx, run_of(good), now=utcnow())
        await RunUploads().failed(tx, run_of(bad), "a: the checksum differs at ALPHA-DISK", now=utcnow())
    assert (await row(good, "status"), await row(good, "minor_status")) == ("Done", "Execution Complete")
    assert (await row(bad, "status"), await row(bad, "application_status")) == (
        "Failed",
        "a: the checksum differs at ALPHA-DISK",
    )
    assert (await history(good))[-1][0] == "Done"
    answer = await world.call(f"{bad}/explain", method="GET", headers=world.application.login())
    assert "a: the checksum differs at ALPHA-DISK" in answer.json()["verdict"]
    assert answer.json()["failure"]["error_class"] == "output_upload"


async def test_a_wrapper_may_say_that_it_waits_after_what_it_waits_for(world: FilesWorld, row: Rows) -> None:
    good, bad = await world.run(OutputData=["a"], status="Completing", count=2)
    await world.leave(good, {"a": b"a"})
    await say(world, good, "Completed")
    assert (await row(good, "status"), await row(good, "minor_status")) == ("Done", "Execution Complete")
    await say(world, bad, "Completed")
    assert (await row(bad, "status"), await row(bad, "minor_status")) == ("Failed", "Uploading Outputs")


async def test_a_job_waits_while_its_output_is_verified(world: FilesWorld, row: Rows) -> None:
    [job_id] = await world.run(OutputData=["a"], status="Completing")
    await world.open(job_id, {"a": b"a"})
    async with world.db.transaction() as tx:
        await tx.execute(sa.update(uploads).values(state="verifying", verify_at=utcnow() + timedelta(hours=1)))
    await say(world, job_id, "Completed")
    assert await row(job_id, "status") == "Completed"


async def test_outputs_of_a_workflow_on_the_grid_are_shown_by_their_names(world: FilesWorld) -> None:
    workflow = {"Bundle": "ab" * 32, "Fragment": None, "Outputs": [{"Source": "o", "Path": "cwl", "SE": []}]}
    [job_id] = await world.run(Workflow=workflow, OutputData=["o"], Executable=None)
    opened = await world.open(job_id, {"outputs/d/a.txt": b"a"}, **{"outputs/d/a.txt": {"output": "o"}})
    lfn = opened["files"]["outputs/d/a.txt"]["lfn"]
    file = {"class": "File", "location": f"LFN:{lfn}", "basename": "a.txt", "size": 1}
    outputs = {"o": {"class": "Directory", "location": f"LFN:{HOME}/cwl/{job_id}_d", "listing": [file]}}
    files = [{"output": "o", "index": 0, "lfn": lfn, "se": "ALPHA-DISK", "size": 1}]
    manifest = {"v": 1, "job_id": job_id, "status": "success", "exit_code": 0, "outputs": outputs, "files": files}

    async def put(document: dict[str, Any]) -> int:
        body = {"sandbox": None, "manifest": document}
        return (await world.call(f"{job_id}/outputs", body, method="PUT")).status_code

    assert await put(manifest) == 204  # while the files are under way, too
    assert (await world.commit(job_id, opened)).json()["state"] == "registered"
    assert await put(manifest) == 204
    claimed = {**manifest, "outputs": {"o": {**file, "location": "LFN:/voa/user/b/bob/a"}}}
    assert await put(claimed) == 400
    await say(world, job_id, "Done")
    answer = await world.call(f"{job_id}/outputs", method="GET", headers=world.application.login())
    assert answer.json() == outputs


async def test_what_is_said_of_files_lies_over_what_the_job_says(world: FilesWorld) -> None:
    [first] = await world.run(OutputData=["a"])
    await world.leave(first, {"a": b"a"})
    declared = sa.text(
        "INSERT INTO metadata_fields (vo_id, name, type, applies_to, is_indexed, is_filled, created_by, created_at)"
        " SELECT vo_id, :name, :type, 'file', true, true, 'bob', now() FROM file_vos WHERE name = 'voa'"
    )
    async with world.db.transaction() as tx:
        for name, kind in (("Run", "int"), ("Particle", "text"), ("Good", "bool")):
            await tx.execute(declared, {"name": name, "type": kind})
    # parametric jobs say numbers as texts
    [job_id] = await world.run(OutputData=["a"], OutputMetadata={"Run": "1200", "Particle": "gamma", "Good": "true"})
    opened = await world.leave(job_id, {"a": b"a"}, a={"metadata": {"Particle": "proton"}})
    lfn = opened["files"]["a"]["lfn"]
    body = {"lfns": [lfn], "parameters": ["metadata"]}
    answer = await world.application.client.post("/api/files/lookup", json=body, headers=world.application.login())
    found = answer.json()["success"][lfn]["metadata"]
    assert {name: each["value"] for name, each in found.items()} == {"Run": 1200, "Particle": "proton", "Good": True}


async def test_metadata_that_nobody_has_declared_are_refused_before_anything_is_written(world: FilesWorld) -> None:
    [job_id] = await world.run(OutputData=["a"], OutputMetadata={"Rnu": 1})
    answer = await world.call(f"{job_id}/outputs", {"files": [described(b"", "a")], "protocols": ["file"]})
    assert answer.status_code == 409
    assert "Rnu" in answer.json()["failed"]["a"]["detail"]
    assert await upload_states(world) == []
