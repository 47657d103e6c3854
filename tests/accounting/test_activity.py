"""The last day of a VO: what ran and waited every few minutes, and what failed in each hour."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.accounting.conftest import MakeJob
from tests.infra.app import Application
from weyl.accounting.queries import SAMPLED_EVERY, insert_samples
from weyl.accounting.tables import activity_samples
from weyl.accounting.tasks import HOUSEKEEPING, SAMPLE, tasks
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import Run
from weyl.pilots.tables import pilots

WATCHER = {"properties": ["AccountingMonitor"]}


async def _activity(application: Application, **who: Any) -> dict[str, Any]:
    answer = await application.client.get("/api/accounting/activity", headers=application.login(**(who or WATCHER)))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _sample(db: Database) -> None:
    task = next(task for task in tasks(db, record_months=60) if task.task == SAMPLE)
    await task.handler(None, Run(0, 1))


async def test_a_sample_counts_what_runs_and_waits_now(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    await make_job()
    await make_job(allocated=None)
    await make_job(status="Matched", allocated={"cores": 2})
    await make_job(status="Waiting", allocated=None)
    await make_job(vo="vob")
    now = utcnow()
    async with db.transaction() as tx:
        for stamp, status in (("a", "Running"), ("b", "Running"), ("c", "Waiting"), ("d", "Done")):
            row = {"pilot_stamp": stamp * 32, "vo": "voa", "status": status, "submission_time": now}
            await tx.execute(sa.insert(pilots).values(**row, last_update_time=now))
    await _sample(db)
    await _sample(db)
    [sample] = (await _activity(application))["samples"]
    counts = {name: sample[name] for name in ("running", "waiting", "pilots", "cores")}
    assert counts == {"running": 2, "waiting": 1, "pilots": 2, "cores": 4 + 1 + 2}
    [other] = (await _activity(application, vo="vob", **WATCHER))["samples"]
    assert (other["running"], other["waiting"], other["pilots"]) == (1, 0, 0)


async def test_samples_are_told_in_their_order_and_forgotten_in_time(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    job_id, now = await make_job(status="Waiting"), utcnow()
    for age in (timedelta(hours=1), timedelta(hours=23), timedelta(hours=25), timedelta(days=3)):
        async with db.transaction() as tx:
            await insert_samples(tx, now=now - age)
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(status="Done"))
    await _sample(db)
    told = await _activity(application)
    # Where nothing runs any more a zero is told: a gap would say that nobody looked.
    assert [sample["waiting"] for sample in told["samples"]] == [1, 1, 0]
    assert told["step_s"] == SAMPLED_EVERY.total_seconds()
    keep = next(task for task in tasks(db, record_months=60) if task.task == HOUSEKEEPING)
    await keep.handler(None, Run(0, 1))
    async with db.read() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(activity_samples)) == 4


async def test_jobs_that_were_killed_are_no_part_of_the_failure_rate(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    now = utcnow()
    for status, age_h in (("Done", 0), ("Completed", 0), ("Failed", 0), ("Killed", 0), ("Failed", 30)):
        job_id = await make_job()
        async with db.transaction() as tx:
            ended = {"status": status, "end_exec_time": now - timedelta(hours=age_h)}
            await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**ended))
    [hour] = (await _activity(application))["hours"]
    assert (hour["ended"], hour["failed"]) == (3, 1)


@pytest.mark.parametrize("who", [{}, {"group": "pilot"}, {"properties": ["SiteManager"]}])
async def test_the_activity_of_a_vo_is_for_those_who_watch_over_it(
    application: Application, who: dict[str, Any]
) -> None:
    path = "/api/accounting/activity"
    assert (await application.client.get(path)).status_code == 401
    assert (await application.client.get(path, headers=application.login(**who))).status_code == 403
