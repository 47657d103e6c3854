"""Runs that end tell of their hosts, in the transaction that ends them."""

import asyncio
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, iso

from weyl.jobs.queries.hosts import forget_health
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Listener
from weyl.task_queues.health import CHANNEL

STAMP = "a" * 32
SITE, HOST = "LCG.Alpha.org", "wn7"


async def end(application: Application, make_jobs: MakeJobs, *, ran_s: float = 3600, **update: Any) -> int:
    """Let a job that ran for so long on the host end so."""
    now = utcnow()
    (job_id,) = await make_jobs(
        status="Running",
        pilot=STAMP,
        site=SITE,
        allocated={"host": HOST},
        start_exec_time=now - timedelta(seconds=ran_s),
    )
    answer = await application.client.patch(
        "/api/jobs/status", json={job_id: {iso(now): update}}, headers=application.payload(job_id, stamp=STAMP)
    )
    assert answer.status_code == 200
    return job_id


async def scores(db: Database) -> dict[tuple[str, str], float]:
    """Return the scores as they are kept."""
    async with db.read() as tx:
        rows = await tx.execute(sa.text("SELECT site, host, score FROM host_health"))
        return {(site, host): round(score, 2) for site, host, score in rows}


async def test_a_host_is_known_by_what_becomes_of_its_jobs(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await end(application, make_jobs, Status="Done")
    await end(application, make_jobs, Status="Failed", ErrorClass="payload")
    await end(application, make_jobs, Status="Failed", ErrorClass="pilot")
    await end(application, make_jobs, Status="Killed")
    assert await scores(db) == {}
    await end(application, make_jobs, Status="Failed", ErrorClass="host")
    assert await scores(db) == {(SITE, HOST): 0.5}
    await end(application, make_jobs, Status="Done")
    assert await scores(db) == {(SITE, HOST): 0.75}


async def test_reports_that_come_together_are_all_counted(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await asyncio.gather(*(end(application, make_jobs, Status="Failed", ErrorClass="host") for _ in range(4)))
    assert (await scores(db))[SITE, HOST] in (0.06, 0.07)


async def test_matchers_are_told_when_a_host_may_get_less(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    heard = asyncio.Event()
    listener = Listener(db, {CHANNEL: [lambda _: heard.set()]})
    await listener.start()
    try:
        await end(application, make_jobs, Status="Failed", ErrorClass="host")
        await end(application, make_jobs, Status="Failed", ErrorClass="host")
        await asyncio.wait_for(heard.wait(), 30)
    finally:
        await listener.stop()


async def test_hosts_without_news_are_forgotten(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    await end(application, make_jobs, Status="Failed", ErrorClass="host")
    async with db.transaction() as tx:
        await forget_health(tx, before=utcnow() - timedelta(hours=1))
    assert await scores(db)
    async with db.transaction() as tx:
        await forget_health(tx, before=utcnow() + timedelta(hours=1))
    assert await scores(db) == {}
