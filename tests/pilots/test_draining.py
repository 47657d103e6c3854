"""Pilots that are to finish what they have: who may say so, who is meant, and how they hear of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER

from weyl.jobs.tables import job_descriptions, job_pilots, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.matcher import MATCHER

MakePilot = Callable[..., Awaitable[str]]
WAIT_S = 20
ALPHA, BETA = "LCG.Alpha.org", "LCG.Beta.org"


@pytest.fixture
def make_pilot(db: Database) -> MakePilot:
    """Return `make_pilot(stamp, **columns)` -> the stamp of a pilot that runs."""

    async def make(stamp: str, **columns: Any) -> str:
        values = {
            "pilot_stamp": stamp,
            "vo": "voa",
            "grid_site": ALPHA,
            "destination_site": "ce.alpha.org",
            "host": "wn1",
            "status": "Running",
            "spoke_at": utcnow(),
            "submission_time": utcnow(),
            "last_update_time": utcnow(),
            **columns,
        }
        names = ", ".join(values)
        async with db.transaction() as tx:
            await tx.execute(
                text(f"INSERT INTO pilots ({names}) VALUES ({', '.join(f':{n}' for n in values)})"), values
            )
        return stamp

    return make


@pytest.fixture
def running_jobs(db: Database) -> Callable[..., Awaitable[list[int]]]:
    """Return `running_jobs(count, stamp)` -> ids of jobs that the pilot runs."""

    async def make(count: int, stamp: str) -> list[int]:
        now = utcnow()
        columns = {"owner": "alice", "owner_group": "user", "vo": "voa", "status": "Running", "pilot_stamp": stamp}
        columns |= {"submission_time": now, "last_update_time": now, "user_priority": 1}
        async with db.transaction() as tx:
            description = (
                sa.insert(job_descriptions).values(jdl="", document={}).returning(job_descriptions.c.description_id)
            )
            columns["description_id"] = (await tx.execute(description)).scalar_one()
            made = await tx.execute(sa.insert(jobs).values([columns] * count).returning(jobs.c.job_id))
            ids = sorted(made.scalars())
            await tx.execute(
                sa.insert(job_pilots).values([{"job_id": each, "pilot_stamp": stamp, "at": now} for each in ids])
            )
        return ids

    return make


def operator(application: Application, vo: str = "voa") -> dict[str, str]:
    """An operator of a VO."""
    return application.login(vo=vo, properties=["Operator"])


async def drain(application: Application, headers: dict[str, str] | None = None, **body: Any) -> Any:
    answer = await application.client.post(
        "/api/pilots/drain", json=body, headers=operator(application) if headers is None else headers
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["stamps"]


async def action(application: Application, stamp: str, wait_s: float = 0) -> str:
    """Ask for a job as the pilot; return what it is told."""
    body = {"offer": OFFER, "wait_s": wait_s}
    answer = await application.client.post("/api/matcher/match", json=body, headers=application.pilot(stamp))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["action"])


@pytest.mark.parametrize("group", ["user", "admin", "cs", "pilot"])
async def test_only_operators_and_administrators_drain(
    application: Application, make_pilot: MakePilot, group: str
) -> None:
    stamp = await make_pilot("a" * 32)
    for headers, status in (({}, 401), (application.login(group=group), 403), (application.pilot(stamp), 403)):
        answer = await application.client.post("/api/pilots/drain", json={"stamps": [stamp]}, headers=headers)
        assert answer.status_code == status
    assert await action(application, stamp) == "continue"


async def test_an_operator_reaches_the_pilots_of_the_own_vo_only(
    application: Application, make_pilot: MakePilot
) -> None:
    stamp = await make_pilot("a" * 32)
    assert await drain(application, operator(application, "vob"), stamps=[stamp]) == []
    assert await drain(application, operator(application, "vob"), site=ALPHA) == []
    foreign = {"stamps": [stamp], "vo": "voa"}
    answer = await application.client.post("/api/pilots/drain", json=foreign, headers=operator(application, "vob"))
    assert answer.status_code == 403
    assert await drain(application, application.login(vo="vob", group="service"), stamps=[stamp]) == [stamp]


async def test_it_must_be_said_which_pilots(application: Application) -> None:
    for body, status in (({}, 400), ({"vo": "voa"}, 400), ({"undo": True}, 400), ({"sites": "x"}, 422)):
        answer = await application.client.post("/api/pilots/drain", json=body, headers=operator(application))
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ({"site": ALPHA}, "ab"),
        ({"ce": "ce.beta.org"}, "c"),
        ({"host": "wn1"}, "ac"),
        ({"host": "wn1", "site": ALPHA}, "a"),
        ({"stamps": ["b" * 32, "f" * 32]}, "b"),
        ({"site": "LCG.Nowhere.org"}, ""),
    ],
)
async def test_those_are_meant_that_fit_all_that_is_given_and_live(
    application: Application, make_pilot: MakePilot, body: dict[str, Any], meant: str
) -> None:
    await make_pilot("a" * 32)
    await make_pilot("b" * 32, host="wn2", status="Waiting", spoke_at=None)
    await make_pilot("c" * 32, grid_site=BETA, destination_site="ce.beta.org")
    await make_pilot("d" * 32, status="Done")
    assert await drain(application, **body) == [letter * 32 for letter in meant]
    assert await drain(application, **body) == []


async def test_a_pilot_is_told_in_every_process_and_after_undo_goes_on(
    application: Application, start_application: Callable[..., Awaitable[Application]], make_pilot: MakePilot
) -> None:
    drained, spared = await make_pilot("a" * 32), await make_pilot("b" * 32)
    other = await start_application()
    assert await drain(application, stamps=[drained]) == [drained]
    for process in (application, other):
        await process.seen()
        assert await action(process, drained) == "drain"
        assert await action(process, spared) == "continue"
    assert await drain(application, stamps=[drained, spared], undo=True) == [drained]
    await other.seen()
    assert await action(other, drained) == "continue"


async def test_a_pilot_that_waits_for_a_job_is_told_when_its_time_is_over_and_gets_none(
    application: Application, make_pilot: MakePilot
) -> None:
    stamp, other = await make_pilot("a" * 32), await make_pilot("b" * 32)
    waiting = asyncio.create_task(action(application, stamp, wait_s=3))
    async with asyncio.timeout(WAIT_S):
        while not application.services[MATCHER].parking:
            await asyncio.sleep(0.02)
    await drain(application, stamps=[stamp, other])
    await application.seen()
    assert await action(application, other) == "drain"
    assert await waiting == "drain"


async def test_the_report_of_a_payload_brings_the_order_to_a_pilot_that_asks_for_no_jobs(
    application: Application, db: Database, make_pilot: MakePilot, running_jobs: Callable[..., Awaitable[list[int]]]
) -> None:
    stamp, quiet = await make_pilot("a" * 32), await make_pilot("b" * 32)
    ids = await running_jobs(2, stamp)
    unheard = await running_jobs(1, quiet)
    await drain(application, stamps=[stamp, quiet])
    orders = []
    for job_id in ids:
        for _ in range(2):
            answer = await application.client.patch(
                "/api/jobs/heartbeat",
                json={job_id: {"LoadAverage": 1.0}},
                headers=application.payload(job_id, stamp=stamp),
            )
            assert answer.status_code == 200, answer.text
            orders += [order["command"] for order in answer.json()]
    assert orders == ["Drain"]
    assert await drain(application, stamps=[quiet], undo=True) == [quiet]
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM job_commands WHERE job_id = :j"), {"j": unheard[0]}) == 0
