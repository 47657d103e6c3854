"""Kill and delete in bulk, and how a job that is killed leaves the queue."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database
from weyl.task_queues.requirements import make_class
from weyl.task_queues.service import enqueue_jobs
from weyl.task_queues.tables import queue

STAMP = "a" * 32
Queued = Callable[..., Awaitable[list[int]]]


@pytest.fixture
def make_waiting(db: Database, make_jobs: MakeJobs) -> Queued:
    """Return `make_waiting(count)` -> ids of jobs that wait in the queue."""

    async def make(count: int = 1) -> list[int]:
        job_ids = await make_jobs(count, status="Waiting")
        made = make_class(
            {"cpu_work_db12": 1000},
            vo="voa",
            group="user",
            owner="alice",
            job_type="User",
            user_priority=1,
            sites=None,
            banned_sites=(),
        )
        async with db.transaction() as tx:
            classes = await enqueue_jobs(tx, [(job_id, made) for job_id in job_ids])
            await tx.execute(sa.update(jobs).values(class_ids=classes[job_ids[0]]))
        return job_ids

    return make


@pytest.fixture
def queued(db: Database) -> Queued:
    """Return `queued()` -> the jobs in the queue."""

    async def read() -> list[int]:
        async with db.read() as tx:
            return list((await tx.execute(sa.select(queue.c.job_id).order_by(queue.c.job_id))).scalars())

    return read


async def order(application: Application, verb: str, *job_ids: int, **login: Any) -> Any:
    """Send a bulk order as alice and return status and body."""
    answer = await application.client.post(
        f"/api/jobs/{verb}", json={"job_ids": list(job_ids)}, headers=application.login(**login)
    )
    return answer.status_code, answer.json()


@pytest.mark.parametrize("verb", ["kill", "delete"])
async def test_who_may_not(application: Application, make_jobs: MakeJobs, row: Rows, verb: str) -> None:
    (job_id,) = await make_jobs(pilot=STAMP)
    assert (await application.client.post(f"/api/jobs/{verb}", json={"job_ids": [job_id]})).status_code == 401
    for login in ({"user": "bob"}, {"vo": "vob"}, {"group": "service"}):
        assert (await order(application, verb, job_id, **login))[0] == 403
    assert (await order(application, verb, job_id, vo="vob", group="admin"))[0] == 404
    for headers in (application.pilot(STAMP), application.payload(job_id, stamp=STAMP)):
        answer = await application.client.post(f"/api/jobs/{verb}", json={"job_ids": [job_id]}, headers=headers)
        assert answer.status_code == 403
    assert await row(job_id, "status") == "Received"


async def test_each_job_goes_the_way_that_its_status_has(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    expected = {
        "kill": {
            "Received": "Killed",
            "Waiting": "Killed",
            "Running": "Killed",
            "Stalled": "Killed",
            "Killed": "Killed",
        },
        "delete": {"Received": "Deleted", "Running": "Deleted", "Done": "Deleted", "Killed": "Deleted"},
    }
    for verb, moves in expected.items():
        for before, after in moves.items():
            (job_id,) = await make_jobs(status=before)
            status, body = await order(application, verb, job_id)
            assert (status, body["success"][str(job_id)]["Status"]) == (200, after), (verb, before)
            assert await row(job_id, "status") == after
    assert [line[0] for line in await history(job_id - 2)][1:] == ["Killed", "Deleted"]
    assert (await history(job_id))[-1][3] == "User: alice"


async def test_jobs_that_cannot_be_killed_are_told_apart(application: Application, make_jobs: MakeJobs) -> None:
    (done,), (running,) = await make_jobs(status="Done"), await make_jobs(status="Running")
    status, body = await order(application, "kill", done, running, 999_999, group="admin")
    assert (status, set(body["success"])) == (200, {str(running)})
    assert body["failed"] == {
        str(done): {"detail": "A job that is Done cannot be killed"},
        "999999": {"detail": "Not found"},
    }
    assert (await order(application, "kill", done))[0] == 404
    assert (await order(application, "delete", *await make_jobs(status="Completed")))[0] == 404


async def test_an_order_is_never_late(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(status="Running", at=utcnow() + timedelta(hours=3))
    assert (await order(application, "delete", job_id))[0] == 200
    assert await row(job_id, "status") == "Deleted"


@pytest.mark.parametrize("verb", ["kill", "delete"])
async def test_waiting_jobs_leave_the_queue(
    application: Application, make_waiting: Queued, queued: Queued, commands: Rows, verb: str
) -> None:
    killed, kept = await make_waiting(2)
    assert (await order(application, verb, killed))[0] == 200
    assert await queued() == [kept]
    assert await commands(killed) == ["Kill"]


@pytest.mark.parametrize("status", ["Killed", "Deleted", "Rescheduled", "Matched"])
async def test_reports_take_waiting_jobs_out_of_the_queue(
    application: Application, make_waiting: Queued, queued: Queued, commands: Rows, status: str
) -> None:
    left, kept = await make_waiting(2)
    body = {left: {utcnow().isoformat(): {"Status": status}}}
    answer = await application.client.patch("/api/jobs/status", json=body, headers=application.login())
    assert answer.json()["success"][str(left)]["Status"] == status
    assert await queued() == [kept]
    assert await commands(left) == (["Kill"] if status in ("Killed", "Deleted") else [])


@pytest.mark.parametrize(
    "update",
    [
        {(utcnow() - timedelta(days=1)).isoformat(): {"Status": "Killed"}},
        {(utcnow() + timedelta(days=1)).isoformat(): {"Status": "Done"}},
    ],
)
async def test_a_late_or_refused_report_leaves_a_waiting_job_in_the_queue(
    application: Application, make_waiting: Queued, queued: Queued, commands: Rows, update: Any
) -> None:
    job_ids = await make_waiting(2)
    body = dict.fromkeys(job_ids, update)
    assert (
        await application.client.patch("/api/jobs/status", json=body, headers=application.login())
    ).status_code == 200
    assert await queued() == job_ids
    assert await commands(job_ids[0]) == []


async def test_a_thousand_jobs_are_killed_in_a_handful_of_statements(
    application: Application, make_jobs: MakeJobs
) -> None:
    job_ids = await make_jobs(1000, status="Running")
    with application.services[DATABASE].count_statements() as statements:
        status, body = await order(application, "kill", *job_ids)
    assert (status, len(body["success"])) == (200, 1000)
    assert len(statements) <= 9, statements.statements
