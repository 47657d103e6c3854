"""Orders about many jobs: who may not, what a plan says, what its token binds, and what a worker then does."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.auth.plans import Plan, digest_of, seal
from weyl.config.service import CONFIG
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.models.bulk import BulkOrder
from weyl.jobs.tables import jobs
from weyl.kit.bounds import IDS_MAX
from weyl.kit.clock import unix_now
from weyl.kit.db import Database
from weyl.kit.http import User
from weyl.kit.ids import uuid7
from weyl.tasks.engine import Worker

STAMP = "a" * 32
OF_GROUP = [{"parameter": "JobGroup", "operator": "eq", "value": "g"}]
ADMIN = {"user": "bob", "group": "admin"}

Act = Callable[..., Awaitable[Any]]


async def send(application: Application, body: dict[str, Any], **login: Any) -> Any:
    """Send an order as alice, or whoever else."""
    return await application.client.post("/api/jobs/bulk", json=body, headers=application.login(**login))


async def plan(application: Application, body: dict[str, Any], **login: Any) -> dict[str, Any]:
    """Return the plan of an order."""
    answer = await send(application, body, **login)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def confirm(application: Application, body: dict[str, Any], token: str, **login: Any) -> str:
    """Confirm a plan and return the id of the operation."""
    answer = await send(application, {**body, "plan_token": token, "undo_s": 0}, **login)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation_id"])


async def work(application: Application, db: Database) -> None:
    """Do what there is to do now."""
    await Worker(db, jobs_tasks.tasks(db, application.services[CONFIG])).drain()


async def outcome(application: Application, operation_id: str, **login: Any) -> dict[str, Any]:
    """Return how far an operation has come."""
    answer = await application.client.get(f"/api/operations/{operation_id}", headers=application.login(**login))
    return dict(answer.json())


@pytest.fixture
def act(application: Application, db: Database) -> Act:
    """Return `act(action, ids=.., search=.., **login)` -> the operation after planning, confirming and working."""

    async def do(action: str, *, ids: Any = None, search: Any = None, fields: Any = None, **login: Any) -> Any:
        body = {"action": action, "fields": fields or {}, **({"search": search} if ids is None else {"ids": ids})}
        token = (await plan(application, body, **login))["plan_token"]
        operation_id = await confirm(application, body, token, **login)
        await work(application, db)
        return await outcome(application, operation_id, **login)

    return do


async def statuses(db: Database) -> dict[str, int]:
    """Return how many jobs there are by status."""
    async with db.read() as tx:
        found = await tx.execute(sa.select(jobs.c.status, sa.func.count().label("jobs")).group_by(jobs.c.status))
        return {row.status: row.jobs for row in found}


async def test_who_may_not(application: Application, db: Database, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs(pilot=STAMP, status="Running")
    body = {"action": "kill", "ids": [job_id]}
    assert (await application.client.post("/api/jobs/bulk", json=body)).status_code == 401
    for headers in (application.pilot(STAMP), application.payload(job_id, stamp=STAMP)):
        assert (await application.client.post("/api/jobs/bulk", json=body, headers=headers)).status_code == 403
    assert (await send(application, body, group="service")).status_code == 403
    assert (await send(application, body, group="pilot")).status_code == 403
    assert (await send(application, {**body, "action": "remove"})).status_code == 403


async def test_jobs_of_others_are_not_allowed_and_those_of_another_vo_do_not_exist(
    application: Application, db: Database, make_jobs: MakeJobs, act: Act
) -> None:
    mine, theirs, foreign = await make_jobs(2), await make_jobs(3, owner="bob"), await make_jobs(4, vo="vob")
    body = {"action": "kill", "ids": [*mine, *theirs, *foreign, 999_999, 2**63]}
    planned = await plan(application, body)
    assert {name: planned[name] for name in ("count", "not_allowed", "not_possible", "missing")} == {
        "count": 2,
        "not_allowed": 3,
        "not_possible": 0,
        "missing": 6,
    }
    assert planned["by"] == {"Status": {"Received": 2}, "Owner": {"alice": 2}}
    assert {row["Owner"] for row in planned["sample"]} == {"alice"}
    done = await act("kill", ids=[*mine, *theirs, *foreign])
    assert (done["done"], done["failed"]) == (2, 7)
    reasons = {each["id"]: each["reason"] for each in done["errors"]}
    assert reasons == {**dict.fromkeys(theirs, "is a job of bob"), **dict.fromkeys(foreign, "Not found")}
    everything = await act("kill", search=[], **ADMIN)
    assert everything["done"] == 3
    assert await statuses(db) == {"Killed": 5, "Received": 4}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "either `ids` or `search`"),
        ({"ids": [1], "search": []}, "either `ids` or `search`"),
        ({"ids": []}, "at least one job"),
        ({"ids": [1], "fields": {"reset": True}}, "`reset` is for"),
        ({"ids": [1], "dry_run": False}, "Plan first"),
        ({"search": [{"parameter": "Nothing", "operator": "eq", "value": "x"}]}, "no column"),
        ({"search": [{"parameter": "Status", "operator": "eq", "value": "Faild"}]}, "Did you mean: Failed?"),
        ({"search": [{"parameter": "PilotStamp", "operator": "eq", "value": "\x00"}]}, "NUL"),
    ],
)
async def test_what_is_no_order_is_refused_with_a_reason(
    application: Application, body: dict[str, Any], wrong: str
) -> None:
    answer = await send(application, {"action": "kill", **body})
    assert answer.status_code == 400
    assert wrong in answer.json()["detail"]


async def test_malformed_orders_are_422(application: Application) -> None:
    many = {"action": "kill", "ids": [1] * (IDS_MAX + 1)}
    for body in (
        many,
        {"action": "burn", "ids": [1]},
        {"action": "kill", "filter": []},
        {"action": "kill", "undo_s": 61},
    ):
        assert (await send(application, body)).status_code == 422


async def test_a_token_is_good_for_its_maker_his_request_and_ten_minutes(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs(job_group="g")
    body = {"action": "kill", "search": OF_GROUP}
    token = (await plan(application, body))["plan_token"]
    for changed, login, wrong in (
        (body, {"user": "bob"}, "somebody else"),
        (body, {"group": "admin"}, "another group"),
        (body, {"vo": "vob"}, "somebody else"),
        ({**body, "action": "delete"}, {}, "another request"),
        ({**body, "search": []}, {}, "another request"),
        ({"action": "kill", "ids": [job_id]}, {}, "another request"),
    ):
        answer = await send(application, {**changed, "plan_token": token}, **login)
        assert (answer.status_code, wrong in answer.json()["detail"]) == (400, True), (changed, login)
    access = application.login()["Authorization"].removeprefix("Bearer ")
    for forged, wrong in (
        (access, "no plan token"),
        (token[:-4] + "AAAA", "not one of ours"),
        ("x", "not one of ours"),
    ):
        answer = await send(application, {**body, "plan_token": forged})
        assert (answer.status_code, wrong in answer.json()["detail"]) == (400, True)
    # And the plan's token opens nothing else.
    assert (
        await application.client.get("/api/auth/userinfo", headers={"Authorization": f"Bearer {token}"})
    ).status_code == 401
    assert await row(job_id, "status") == "Received"


async def test_an_old_token_is_refused(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs()
    body = {"action": "kill", "search": []}
    user = User("user", "voa:alice-sub", "voa", "alice", "user", frozenset(), "", 0)
    made = Plan(uuid7(), digest_of(BulkOrder.model_validate(body).subject()), 1, 1)
    old = seal(application.keys, user, made, now=unix_now() - 601)
    answer = await send(application, {**body, "plan_token": old})
    assert (answer.status_code, "older than ten minutes" in answer.json()["detail"]) == (400, True)


async def test_jobs_that_are_submitted_after_the_plan_are_left_alone(
    application: Application, db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    before = await make_jobs(3, job_group="g")
    body = {"action": "kill", "search": OF_GROUP}
    token = (await plan(application, body))["plan_token"]
    (after,) = await make_jobs(job_group="g")
    operation_id = await confirm(application, body, token)
    await work(application, db)
    assert (await outcome(application, operation_id))["done"] == 3
    assert [await row(job_id, "status") for job_id in (*before, after)] == ["Killed"] * 3 + ["Received"]


async def test_within_the_time_to_undo_it_can_be_cancelled(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    await make_jobs(3)
    body = {"action": "delete", "search": []}
    token = (await plan(application, body))["plan_token"]
    answer = await send(application, {**body, "plan_token": token})
    started = answer.json()
    assert (await outcome(application, started["operation_id"]))["state"] == "waiting"
    cancelled = await application.client.delete(
        f"/api/operations/{started['operation_id']}", headers=application.login()
    )
    assert cancelled.json()["state"] == "cancelled"
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pgqueuer SET execute_after = now()"))
    await work(application, db)
    assert await statuses(db) == {"Received": 3}


async def test_a_plan_that_is_confirmed_twice_is_one_operation(
    application: Application, db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs(status="Failed")
    body = {"action": "reschedule", "ids": [job_id]}
    token = (await plan(application, body))["plan_token"]
    first = await confirm(application, body, token)
    assert await confirm(application, body, token) == first
    await work(application, db)
    assert await row(job_id, "reschedule_counter") == 1


async def test_a_mixture_of_statuses_each_goes_its_way(
    application: Application, db: Database, make_jobs: MakeJobs, act: Act, commands: Rows
) -> None:
    for status in ("Received", "Waiting", "Running", "Stalled", "Done", "Failed", "Killed", "Completed", "Deleted"):
        await make_jobs(2, status=status, pilot=STAMP, job_group="g")
    planned = await plan(application, {"action": "kill", "search": OF_GROUP})
    assert (planned["count"], planned["not_possible"]) == (8, 10)
    assert set(planned["by"]["Status"]) == {"Received", "Waiting", "Running", "Stalled"}
    killed = await act("kill", search=OF_GROUP)
    assert (killed["done"], killed["failed"], killed["total"]) == (8, 0, 8)
    assert await statuses(db) == {"Killed": 10, "Done": 2, "Failed": 2, "Completed": 2, "Deleted": 2}
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM job_commands WHERE command = 'Kill'")) == 8
    (running,) = await make_jobs(status="Running", pilot=STAMP, job_group="g")
    deleted = await act("delete", search=OF_GROUP)
    assert (deleted["done"], deleted["failed"]) == (15, 0)
    assert await commands(running) == ["Kill"]
    assert await statuses(db) == {"Deleted": 17, "Completed": 2}


async def test_named_jobs_that_cannot_be_killed_are_reported(make_jobs: MakeJobs, act: Act) -> None:
    running, done = await make_jobs(2, status="Running"), await make_jobs(2, status="Done")
    killed = await act("kill", ids=[*running, *done])
    assert (killed["done"], killed["failed"], killed["total"]) == (2, 2, 4)
    assert killed["errors"] == [{"id": each, "reason": "A job that is Done cannot be killed"} for each in done]


async def test_jobs_run_again_in_bulk_and_those_tried_too_often_fail(
    db: Database, make_jobs: MakeJobs, act: Act
) -> None:
    await make_jobs(3, status="Failed", job_group="g")
    (tired,) = await make_jobs(status="Failed", job_group="g", reschedule_counter=3)
    again = await act("reschedule", search=OF_GROUP)
    assert (again["done"], again["failed"]) == (3, 1)
    assert again["errors"][0]["id"] == tired
    reset = await act("reschedule", ids=[tired], fields={"reset": True})
    assert (reset["done"], reset["failed"]) == (1, 0)


async def test_only_deleted_jobs_are_removed_with_everything_that_there_is_of_them(
    application: Application, db: Database, make_jobs: MakeJobs, act: Act
) -> None:
    submitted = await application.client.post(
        "/api/jobs/jdl", json=['Executable = "/bin/true"; Parameters = 3;'], headers=application.login()
    )
    ids = [each["JobID"] for each in submitted.json()]
    kept = await make_jobs(2, status="Done")
    async with db.transaction() as tx:
        await tx.execute(text("INSERT INTO job_outputs (job_id, manifest, at) SELECT job_id, '{}', now() FROM jobs"))
    await act("delete", ids=ids[:2])
    removed = await act("remove", ids=[*ids, *kept], **ADMIN)
    assert (removed["done"], removed["failed"]) == (2, 3)
    assert removed["errors"][-1]["reason"] == "is Done; only a job that is Deleted can be removed"
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT jobs FROM job_descriptions WHERE jobs IS NOT NULL")) == 1
    assert (
        await application.client.get(f"/api/jobs/{ids[0]}/history", headers=application.login(**ADMIN))
    ).status_code == 404
    await act("delete", ids=ids)
    assert (await act("remove", search=[], **ADMIN))["done"] == 1
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM job_descriptions WHERE jobs IS NOT NULL")) == 0
        assert await tx.scalar(text("SELECT count(*) FROM jobs")) == 2
        assert await tx.scalar(text("SELECT count(*) FROM job_outputs")) == 2
        assert (
            await tx.scalar(text("SELECT sum(count) FROM (TABLE job_counts UNION ALL TABLE job_count_deltas) c")) == 2
        )


async def run_until_killed(application: Application, db: Database) -> None:
    """Let a worker die in the middle of its second batch."""
    config = application.settings.config_url
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.jobs.bulk_worker", db.url, config, "1"), cwd=Path(__file__).parents[2]
    )
    try:
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()


async def notice_the_dead(db: Database) -> None:
    """Let the time be over in which a dead worker is noticed."""
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL WHERE status = 'picked'"))


async def test_a_worker_that_is_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    for _ in range(2):
        await make_jobs(1_250, status="Failed", job_group="g")
    body = {"action": "reschedule", "search": OF_GROUP}
    token = (await plan(application, body))["plan_token"]
    operation_id = await confirm(application, body, token)
    await run_until_killed(application, db)
    middle = await outcome(application, operation_id)
    assert (middle["state"], middle["done"]) == ("running", 1_000)
    await notice_the_dead(db)
    await work(application, db)
    ended = await outcome(application, operation_id)
    assert (ended["state"], ended["done"], ended["failed"], ended["total"]) == ("done", 2_500, 0, 2_500)
    async with db.read() as tx:
        counters = await tx.execute(text("SELECT reschedule_counter, count(*) FROM jobs GROUP BY 1"))
        assert [tuple(each) for each in counters] == [(1, 2_500)]


async def test_a_thousand_jobs_cost_a_bounded_number_of_statements(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    await make_jobs(1_000, status="Waiting")
    body = {"action": "kill", "search": []}
    token = (await plan(application, body))["plan_token"]
    operation_id = await confirm(application, body, token)
    with db.count_statements() as statements:
        await work(application, db)
    assert (await outcome(application, operation_id))["done"] == 1_000
    # The batch, and one that finds nothing more.
    assert len(statements) <= 22, statements.statements
