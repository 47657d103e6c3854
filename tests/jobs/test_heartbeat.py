"""Heartbeats at the door: signs of life are stored at any rate, and commands are handed out once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.jobs.models.heartbeat import HeartbeatData
from weyl.jobs.permits import Managed
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.service.heartbeat import HeartbeatRequest, add_heartbeats
from weyl.jobs.tables import job_commands, job_heartbeats, job_history, job_pilots
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/heartbeat"
STAMP, OTHER = "a" * 32, "b" * 32

Figures = Callable[[int], Awaitable[list[Any]]]


@pytest.fixture
def figures(db: Database) -> Figures:
    """Return `figures(job_id)` -> what was measured, in the order of arrival."""

    async def read(job_id: int) -> list[Any]:
        async with db.read() as tx:
            statement = sa.select(job_heartbeats.c.load_average).where(job_heartbeats.c.job_id == job_id)
            return list((await tx.execute(statement.order_by(job_heartbeats.c.at))).scalars())

    return read


async def beat(application: Application, headers: dict[str, str], *job_ids: int, **data: Any) -> Any:
    """Send a heartbeat and return the commands."""
    answer = await application.client.patch(URL, json=dict.fromkeys(job_ids, data), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def kill(application: Application, *job_ids: int) -> None:
    """Kill jobs as the web page does."""
    update = {utcnow().isoformat(): {"Status": "Killed", "MinorStatus": "Marked for termination"}}
    body = dict.fromkeys(job_ids, update)
    assert (
        await application.client.patch("/api/jobs/status", json=body, headers=application.login())
    ).status_code == 200


async def test_who_may_not(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)
    for headers, status in (
        ({}, 401),
        (application.login("bob"), 403),
        (application.login("alice", vo="vob"), 403),
        (application.login("bob", vo="vob", group="admin"), 404),
        (application.login(group="service"), 403),
        (application.pilot(OTHER), 403),
        (application.pilot(STAMP, vo="vob"), 403),
        (application.payload(job_id, stamp=OTHER), 403),
    ):
        answer = await application.client.patch(URL, json={job_id: {"LoadAverage": 1}}, headers=headers)
        assert answer.status_code == status
    assert await row(job_id, "heart_beat_time") is None


async def test_one_unknown_job_and_nothing_is_stored(
    application: Application, make_jobs: MakeJobs, row: Rows, figures: Figures
) -> None:
    (job_id,) = await make_jobs(status="Running")
    body = {job_id: {"LoadAverage": 1}, 999_999: {"LoadAverage": 1}}
    for headers, status in ((application.login("bob", group="admin"), 404), (application.login(), 403)):
        assert (await application.client.patch(URL, json=body, headers=headers)).status_code == status
    assert await row(job_id, "heart_beat_time") is None
    assert await figures(job_id) == []


async def test_a_run_that_is_given_up_meanwhile_does_not_wake_the_next(
    make_jobs: MakeJobs, row: Rows, figures: Figures, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Matched", pilot=OTHER)
    admitted = Managed({job_id: STAMP}, frozenset())
    late = HeartbeatRequest(admitted, {job_id: HeartbeatData(LoadAverage=1)}, utcnow())
    async with db.transaction() as tx:
        assert await add_heartbeats(tx, [late]) == [[]]
    assert (await row(job_id, "status"), await row(job_id, "heart_beat_time")) == ("Matched", None)
    assert await figures(job_id) == []


@pytest.mark.parametrize("status", ["Matched", "Stalled"])
async def test_a_heartbeat_wakes_a_job(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows, status: str
) -> None:
    (job_id,) = await make_jobs(status=status)
    assert await beat(application, application.login(), job_id) == []
    assert await row(job_id, "status") == "Running"
    assert (await history(job_id))[-1] == ("Running", "idem", "idem", "Heartbeat")
    assert (utcnow() - await row(job_id, "heart_beat_time")) < timedelta(minutes=1)
    assert (await row(job_id, "start_exec_time")) is not None


async def test_a_heartbeat_of_a_running_job_is_a_time_and_no_history(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running")
    await beat(application, application.login(), job_id, LoadAverage=None)
    assert await row(job_id, "heart_beat_time") is not None
    assert len(await history(job_id)) == 1


async def test_a_wrapper_with_a_fast_clock_does_not_make_heartbeats_late(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs(status="Stalled", at=utcnow() + timedelta(hours=2))
    await beat(application, application.login(), job_id)
    assert await row(job_id, "status") == "Running"


async def test_two_heartbeats_in_one_second_are_two(
    application: Application, make_jobs: MakeJobs, figures: Figures
) -> None:
    (job_id,) = await make_jobs(status="Running")
    beats = [beat(application, application.login(), job_id, LoadAverage=float(number)) for number in range(10)]
    assert await asyncio.gather(*beats) == [[]] * 10
    assert sorted(await figures(job_id)) == [float(number) for number in range(10)]


async def test_a_hundred_jobs_in_one_request_cost_a_handful_of_statements(
    application: Application, make_jobs: MakeJobs, figures: Figures
) -> None:
    job_ids = await make_jobs(100, status="Matched")
    headers = application.login()
    for expected in (8, 6):
        with application.services[DATABASE].count_statements() as statements:
            await beat(application, headers, *job_ids, LoadAverage=0.5, StandardOutput="line")
        assert len(statements) == expected, statements.statements
    assert await figures(job_ids[-1]) == [0.5, 0.5]


async def test_standard_output_becomes_a_parameter(application: Application, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs(status="Running")
    headers = application.login()
    await beat(application, headers, job_id, StandardOutput="first")
    await beat(application, headers, job_id, StandardOutput='second "ü"\n')
    parameters = await application.client.get(f"/api/jobs/{job_id}/parameters", headers=headers)
    assert parameters.json() == {"StandardOutput": 'second "ü"\n'}
    assert (await application.client.get(f"/api/jobs/{job_id}/parameters")).status_code == 401
    bob = application.login("bob")
    assert (await application.client.get(f"/api/jobs/{job_id}/parameters", headers=bob)).status_code == 403


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b'"nan"', b"1e400"])
async def test_non_finite_numbers_are_named_and_shown_as_text(
    application: Application, make_jobs: MakeJobs, row: Rows, number: bytes
) -> None:
    (job_id,) = await make_jobs(status="Matched")
    body = b'{"%d": {"LoadAverage": %s, "MemoryUsed": 1}}' % (job_id, number)
    headers = application.login() | {"Content-Type": "application/json"}
    answer = await application.client.patch(URL, content=body, headers=headers)
    assert answer.status_code == 422
    assert "non-finite" in answer.text
    assert isinstance(answer.json()["detail"][0]["input"], str)
    assert await row(job_id, "status") == "Matched"


@pytest.mark.parametrize(
    "data", [{"Load": 1}, {"LoadAverage": "high"}, {"load_average": 1}, {"StandardOutput": 5}, None]
)
async def test_other_names_and_kinds_are_malformed(application: Application, make_jobs: MakeJobs, data: Any) -> None:
    (job_id,) = await make_jobs(status="Matched")
    answer = await application.client.patch(URL, json={job_id: data}, headers=application.login())
    assert answer.status_code == 422


async def test_kill_is_delivered_once_however_often_it_is_ordered(
    application: Application, make_jobs: MakeJobs, commands: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    await asyncio.gather(kill(application, job_id), kill(application, job_id))
    await kill(application, job_id)
    assert await commands(job_id) == ["Kill"]
    wrapper = application.payload(job_id, stamp=STAMP)
    answers = await asyncio.gather(*(beat(application, wrapper, job_id) for _ in range(5)))
    assert [command for answer in answers for command in answer] == [
        {"job_id": job_id, "command": "Kill", "arguments": ""}
    ]
    assert await beat(application, wrapper, job_id) == []


async def test_commands_reach_the_run_that_they_are_for(
    application: Application, make_jobs: MakeJobs, db: Database, row: Rows, figures: Figures
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    admin = application.login("bob", group="admin")
    answer = await application.client.post("/api/jobs/reschedule", json={"job_ids": [job_id]}, headers=admin)
    assert answer.status_code == 200
    async with db.transaction() as tx:
        await tx.execute(sa.insert(job_pilots).values(job_id=job_id, pilot_stamp=OTHER, at=utcnow()))
        await tx.execute(sa.text("UPDATE jobs SET status = 'Matched', pilot_stamp = :stamp"), {"stamp": OTHER})
    assert await beat(application, application.payload(job_id, stamp=OTHER), job_id) == []
    old_run = application.payload(job_id, stamp=STAMP)
    (command,) = await beat(application, old_run, job_id, LoadAverage=9.0)
    assert (command["command"], await row(job_id, "pilot_stamp")) == ("Kill", OTHER)
    assert await figures(job_id) == []
    assert await beat(application, old_run, job_id) == []


async def test_a_kill_from_before_a_match_does_not_reach_the_new_run(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Waiting")
    await kill(application, job_id)
    async with db.transaction() as tx:
        await tx.execute(sa.insert(job_pilots).values(job_id=job_id, pilot_stamp=STAMP, at=utcnow()))
        await tx.execute(sa.text("UPDATE jobs SET status = 'Matched', pilot_stamp = :stamp"), {"stamp": STAMP})
    assert await beat(application, application.payload(job_id, stamp=STAMP), job_id) == []


async def test_a_kill_that_waited_for_a_match_reaches_the_run_that_it_found(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    """The order began before the match that it met: it is dated earlier, and the run is the one that it ended."""
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)
    for _ in range(2):  # an order for an earlier run, which nobody took, does not stand in the way of one for this one
        async with db.transaction() as tx:
            await tx.execute(
                sa.insert(job_pilots).values(job_id=job_id, pilot_stamp=STAMP, at=utcnow() + timedelta(seconds=2))
            )
        await kill(application, job_id)
    (command,) = await beat(application, application.payload(job_id, stamp=STAMP), job_id)
    assert command["command"] == "Kill"


async def test_orders_to_drain_and_to_show_reach_a_run_that_was_matched_after_they_began(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)
    async with db.transaction() as tx:
        began = utcnow()
        matched = sa.insert(job_pilots).values(job_id=job_id, pilot_stamp=STAMP, at=began + timedelta(seconds=2))
        await tx.execute(matched)
        await command_queries.insert_drains(tx, [STAMP], began)
        await command_queries.ask_to_show(tx, job_id, began)
    told = await beat(application, application.payload(job_id, stamp=STAMP), job_id)
    assert [command["command"] for command in told] == ["Drain", "Peek"]


async def test_an_old_command_is_not_delivered(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    (job_id,) = await make_jobs(status="Running")
    async with db.transaction() as tx:
        old = utcnow() - timedelta(days=2)
        await tx.execute(sa.insert(job_commands).values(job_id=job_id, command="Kill", created_at=old))
    assert await beat(application, application.login(), job_id) == []


async def test_a_pilot_reports_for_all_its_jobs_at_once(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    job_ids = await make_jobs(3, status="Matched", pilot=STAMP)
    await kill(application, job_ids[0])
    (command,) = await beat(application, application.pilot(STAMP), *job_ids, CPUConsumed=5)
    assert command["job_id"] == job_ids[0]
    assert [await row(job_id, "status") for job_id in job_ids] == ["Killed", "Running", "Running"]


async def test_the_tables_of_reports_are_partitioned_by_month(db: Database) -> None:
    async with db.read() as tx:
        for table in (job_heartbeats, job_history):
            statement = sa.text("SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass(:name)")
            assert (await tx.execute(statement, {"name": table.name})).scalar_one() >= 3
