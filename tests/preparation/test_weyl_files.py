"""Jobs that read files of weyl's own catalogue, from their submission to where they wait: held, woken, explained."""

from typing import Any

import sqlalchemy as sa
from tests.jobs.files_world import ALPHA, FilesWorld, storage_document

from weyl.config.service import CONFIG
from weyl.jobs.ranges import to_ranges
from weyl.jobs.service import holds
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.preparation.additions import PREPARATION_RULES
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.tables import queue, requirement_class


async def ban(world: FilesWorld, reason: str | None) -> None:
    """Close the element of the first site for reading, or open it again."""
    document: Any = storage_document(world.disk)
    if reason is not None:
        document["Resources"]["StorageElements"]["ALPHA-DISK"]["Status"] = {
            "Read": {"Status": "Banned", "Reason": reason}
        }
    world.installation.commit_config(document, "Status")
    await world.application.services[CONFIG].refresh()


async def check(world: FilesWorld, *job_ids: int) -> None:
    """Check jobs as the worker does."""
    services = world.application.services
    config, rules = services[CONFIG].current().config, services[PREPARATION_RULES]
    await check_jobs(world.db, to_ranges(sorted(job_ids)), config=config, now=utcnow(), rules=rules)


async def submit(world: FilesWorld, *texts: str) -> list[int]:
    """Submit jobs as alice."""
    client, headers = world.application.client, world.application.login()
    answer = await client.post("/api/jobs/jdl", json=list(texts), headers=headers)
    assert answer.status_code == 201, answer.text
    return [job["JobID"] for job in answer.json()]


async def explained(world: FilesWorld, job_id: int) -> Any:
    """Return why a job waits."""
    answer = await world.call(f"{job_id}/explain", method="GET", headers=world.application.login())
    return answer.json()


async def test_a_banned_element_holds_a_job_until_it_is_open_again(world: FilesWorld) -> None:
    [maker] = await world.run(OutputData=["a"], OutputPath="in")
    lfn = (await world.leave(maker, {"a": b"a"}))["files"]["a"]["lfn"]
    await ban(world, "disks are being replaced")
    [job_id] = await submit(world, f'Executable = "a"; InputData = "LFN:{lfn}";')
    await check(world, job_id)
    told = await explained(world, job_id)
    assert (told["status"], told["hold"]["waits_for"]) == ("Checking", ["se:ALPHA-DISK"])
    for word in (lfn, "ALPHA-DISK", "disks are being replaced"):
        assert word in told["verdict"]
    await ban(world, None)
    async with world.db.transaction() as tx:
        assert await holds.wake(tx, world.application.services[CONFIG].current().config, utcnow()) == 1
    await check(world, job_id)
    async with world.db.read() as tx:
        where = sa.select(requirement_class.c.document).join(queue, queue.c.class_id == requirement_class.c.class_id)
        assert await tx.scalar(sa.select(jobs.c.status).where(jobs.c.job_id == job_id)) == "Waiting"
        assert (await tx.scalars(where)).one()["sites"] == [ALPHA]


async def test_a_file_that_nobody_has_fails_the_job(world: FilesWorld) -> None:
    jobs_made = await submit(
        world, 'Executable = "a"; InputData = "/voa/none";', 'Executable = "a"; InputSandbox = {"LFN:/voa/none"};'
    )
    await check(world, *jobs_made)
    for job_id in jobs_made:
        told = await explained(world, job_id)
        assert told["status"] == "Failed"
        assert "/voa/none: no such file is in the file catalogue" in told["verdict"]


async def test_metadata_that_no_file_can_have_are_refused_at_once(world: FilesWorld) -> None:
    [maker] = await world.run(OutputData=["a"])
    await world.leave(maker, {"a": b"a"})
    declared = (
        "INSERT INTO metadata_fields (vo_id, name, type, applies_to, is_indexed, is_filled, created_by, created_at)"
        " SELECT vo_id, 'Run', 'int', 'file', true, true, 'bob', now() FROM file_vos WHERE name = 'voa'"
    )
    async with world.db.transaction() as tx:
        await tx.execute(sa.text(declared))
    text = 'Executable = "a"; OutputData = "b"; '
    assert len(await submit(world, text + "OutputMetadata = [ Run = 12 ];")) == 1
    assert len(await submit(world, text + 'OutputMetadata = [ Run = "%s" ]; Parameters = 2;')) == 2
    for metadata, word in (("[ Rnu = 12 ]", "did you mean Run?"), ('[ Run = "x" ]', "is not a whole number")):
        body = [f"{text} OutputMetadata = {metadata};"]
        client, headers = world.application.client, world.application.login()
        answer = await client.post("/api/jobs/jdl", json=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith("Job 0: OutputMetadata: cannot be kept")
        assert word in answer.json()["detail"]


async def test_what_a_job_is_to_leave_is_taken_as_its_vo_has_storage(world: FilesWorld) -> None:
    [job_id] = await submit(world, 'Executable = "a"; OutputData = {"a.root", "LFN:/voa/user/a/alice/x"};')
    async with world.db.read() as tx:
        assert await tx.scalar(sa.select(jobs.c.output_state).where(jobs.c.job_id == job_id)) == "wanted"
