"""Looking at running jobs: what has arrived is shown, and the wrapper is asked once for more."""

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.sandboxes.tables import sandbox_jobs, sandboxes

STAMP, OTHER = "a" * 32, "b" * 32


async def beat(application: Application, job_id: int, **data: object) -> list[dict[str, object]]:
    answer = await application.client.patch(
        "/api/jobs/heartbeat", json={job_id: data}, headers=application.payload(job_id, stamp=STAMP)
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def test_who_may_not(application: Application, make_jobs: MakeJobs, commands: Rows) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    for headers, status in (
        ({}, 401),
        (application.login("bob"), 403),
        (application.login("alice", vo="vob"), 403),
        (application.login("bob", vo="vob", group="admin"), 404),
        (application.pilot(OTHER), 403),
        (application.payload(job_id, stamp=OTHER), 403),
    ):
        for method in ("GET", "POST"):
            answer = await application.client.request(method, f"/api/jobs/{job_id}/peek", headers=headers)
            assert answer.status_code == status
    assert await commands(job_id) == []
    admin = application.login("bob", group="admin")
    assert (await application.client.get(f"/api/jobs/{job_id + 1000}/peek", headers=admin)).status_code == 404


async def test_a_running_job_is_asked_once_by_all_who_look(
    application: Application, make_jobs: MakeJobs, commands: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    headers, url = application.login(), f"/api/jobs/{job_id}/peek"
    first = (await application.client.post(url, headers=headers)).json()
    assert first == {
        "job_id": job_id,
        "status": "Running",
        "stream": "output",
        "text": None,
        "heard_at": None,
        "is_asked": True,
        "sandbox": None,
        "file": None,
        "note": None,
    }
    await application.client.post(url, headers=headers)
    assert await commands(job_id) == ["Peek"]
    (command,) = await beat(application, job_id, StandardOutput="a\nb\nc\n")
    assert command["command"] == "Peek"
    assert await beat(application, job_id, StandardError="oh\n") == []
    seen = (await application.client.post(url, params={"tail": 2}, headers=headers)).json()
    assert (seen["text"], seen["heard_at"] is not None) == ("b\nc\n", True)
    assert await commands(job_id) == ["Peek", "Peek"]
    error = await application.client.get(url, params={"stream": "error"}, headers=headers)
    assert error.json()["text"] == "oh\n"
    assert (await application.client.get(url, params={"tail": 0}, headers=headers)).json()["text"] == ""


@pytest.mark.parametrize("status", ["Received", "Waiting", "Done", "Killed"])
async def test_a_job_that_does_not_run_is_asked_nothing(
    application: Application, make_jobs: MakeJobs, commands: Rows, status: str
) -> None:
    (job_id,) = await make_jobs(status=status)
    answer = await application.client.post(f"/api/jobs/{job_id}/peek", headers=application.login())
    assert (answer.status_code, answer.json()["is_asked"]) == (200, False)
    assert await commands(job_id) == []


async def test_the_next_run_is_asked_anew(
    application: Application, make_jobs: MakeJobs, commands: Rows, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=OTHER)
    headers = application.login()
    await application.client.post(f"/api/jobs/{job_id}/peek", headers=headers)
    async with db.transaction() as tx:
        await tx.execute(sa.text("UPDATE jobs SET pilot_stamp = :stamp"), {"stamp": STAMP})
        await tx.execute(
            sa.text("INSERT INTO job_pilots VALUES (:job, :stamp, now())"), {"job": job_id, "stamp": STAMP}
        )
    assert await beat(application, job_id) == []
    await application.client.post(f"/api/jobs/{job_id}/peek", headers=headers)
    assert [command["command"] for command in await beat(application, job_id)] == ["Peek"]


async def test_reading_asks_for_nothing(application: Application, make_jobs: MakeJobs, commands: Rows) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    headers, url = application.login(), f"/api/jobs/{job_id}/peek"
    await beat(application, job_id, StandardOutput="a\nb\n")
    for is_asked in (False, True):
        seen = (await application.client.get(url, params={"tail": 1}, headers=headers)).json()
        assert (seen["text"], seen["is_asked"]) == ("b\n", is_asked)
        assert await commands(job_id) == ["Peek"] * is_asked
        await application.client.post(url, headers=headers)
    await beat(application, job_id)
    assert (await application.client.get(url, headers=headers)).json()["is_asked"] is False


async def test_a_job_that_has_ended_says_where_all_of_its_output_is(
    application: Application, submitted: Rows, db: Database
) -> None:
    text = 'Executable = "a.sh"; StdOutput = "log/./run-%j.txt"; StdError = "../out";'
    (job_id,) = await submitted(text)
    headers, url = application.login(), f"/api/jobs/{job_id}/peek"

    async def whole(stream: str = "output") -> list[str | None]:
        seen = (await application.client.post(url, params={"stream": stream}, headers=headers)).json()
        return [seen["sandbox"], seen["file"], seen["note"]]

    async def become(status: str) -> None:
        async with db.transaction() as tx:
            await tx.execute(sa.update(jobs).values(status=status).where(jobs.c.job_id == job_id))

    pfn = await _give_output(db, job_id)
    await become("Running")
    assert await whole() == [None, None, None]
    for status in ("Done", "Failed", "Killed"):
        await become(status)
        assert await whole() == [pfn, f"log/run-{job_id}.txt", None]
    # A name that leads out of its directory is not taken by pilots either.
    assert await whole("error") == [pfn, "std.err", None]
    async with db.transaction() as tx:
        await tx.execute(sa.delete(sandbox_jobs))
    assert await whole() == [None, None, "No output sandbox was uploaded."]
    await become("Deleted")
    assert await whole() == [None, None, "The job was deleted, and its output sandbox with it."]


async def _give_output(db: Database, job_id: int) -> str:
    """Assign an output sandbox to a job, and return its name."""
    pfn = f"/S3/sandboxes/voa/user/alice/sha256:{job_id:064x}.tar.bz2"
    now = utcnow()
    values = {"pfn": pfn, "vo": "voa", "owner_group": "user", "owner": "alice", "size": 1, "sha256": b"0" * 32}
    async with db.transaction() as tx:
        made = sa.insert(sandboxes).values(announced_at=now, last_access=now, verified_at=now, **values)
        sandbox_id = (await tx.execute(made.returning(sandboxes.c.sandbox_id))).scalar_one()
        row = {"job_id": job_id, "kind": "Output", "sandbox_id": sandbox_id}
        await tx.execute(sa.insert(sandbox_jobs).values(row))
    return pfn


async def test_odd_questions_are_malformed(application: Application, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    for query in ("stream=input", "tail=-1", "tail=x", "tail=99999999"):
        answer = await application.client.get(f"/api/jobs/{job_id}/peek?{query}", headers=application.login())
        assert answer.status_code == 422, query
