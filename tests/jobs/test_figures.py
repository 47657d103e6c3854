"""Figures that come from a node have a range: what lies outside is refused, and what was stored before harms nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.accounting.tables import job_records
from weyl.accounting.tasks import FOLD, tasks
from weyl.jobs.tables import job_heartbeats, job_history, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import Run

HUGE = 1.7e308
STAMP = "a" * 32
END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("figure", "most"),
    [
        ("LoadAverage", 10**6),
        ("MemoryUsed", 2**41),
        ("Vsize", 2**53),
        ("AvailableDiskSpace", 2**53),
        ("CPUConsumed", 10**13),
        ("WallClockTime", 10**9),
    ],
)
async def test_a_figure_of_a_heartbeat_has_the_range_of_its_unit(
    application: Application, make_jobs: MakeJobs, figure: str, most: int
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    headers = application.payload(job_id, stamp=STAMP)
    for value in (HUGE, most * 1.01, -1, -HUGE):
        answer = await application.client.patch("/api/jobs/heartbeat", json={job_id: {figure: value}}, headers=headers)
        assert answer.status_code == 422, value
        assert ("less than or equal to" if value > 0 else "greater than or equal to 0") in answer.text
    for value in (0, most):
        answer = await application.client.patch("/api/jobs/heartbeat", json={job_id: {figure: value}}, headers=headers)
        assert answer.status_code == 200, value
    document = (await application.client.get("/api/openapi.json")).json()
    number = document["components"]["schemas"]["HeartbeatData"]["properties"][figure]
    assert (number["minimum"], number["maximum"]) == (0, most)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("CPUNormalizationFactor", 10**6),
        ("NormCPUTime(s)", 2**53),
        ("TotalCPUTime(s)", 10**13),
        ("Memory(MB)", 2**31),
        ("PayloadPID", 2**31),
    ],
)
async def test_a_figure_of_a_jobs_metadata_has_the_range_of_its_unit(
    application: Application, make_jobs: MakeJobs, name: str, most: int
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    headers = application.payload(job_id, stamp=STAMP)
    for value, status in ((1e300, 422), (most + 1, 422), (-1, 422), (most, 204), (0, 204)):
        answer = await application.client.patch("/api/jobs/metadata", json={job_id: {name: value}}, headers=headers)
        assert answer.status_code == status, value


async def test_a_report_is_not_dated_more_than_a_day_ahead(
    application: Application, make_jobs: MakeJobs, history: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    headers = application.payload(job_id, stamp=STAMP)
    for at in (END_OF_TIME, utcnow() + timedelta(hours=25), datetime(1999, 12, 31, tzinfo=UTC)):
        body = {job_id: {at.isoformat(): {"Status": "Done"}}}
        answer = await application.client.patch("/api/jobs/status", json=body, headers=headers)
        assert (answer.status_code, "clock" in answer.json()["detail"]) == (400, True), at
    assert len(await history(job_id)) == 1
    body = {job_id: {(utcnow() + timedelta(hours=23)).isoformat(): {"ApplicationStatus": "fast clock"}}}
    assert (await application.client.patch("/api/jobs/status", json=body, headers=headers)).status_code == 200


async def store_heartbeats(db: Database, job_ids: list[int], figure: float) -> None:
    async with db.transaction() as tx:
        rows = [{"job_id": job_id, "at": utcnow(), "cpu_consumed": figure, "memory_used": figure} for job_id in job_ids]
        await tx.execute(sa.insert(job_heartbeats), rows)


async def kill(application: Application, *job_ids: int) -> Any:
    return await application.client.post(
        "/api/jobs/kill", json={"job_ids": list(job_ids)}, headers=application.login(group="admin")
    )


@pytest.mark.parametrize("figure", [HUGE, -HUGE])
async def test_jobs_with_impossible_figures_of_before_are_killed_and_summed_up(
    application: Application, make_jobs: MakeJobs, db: Database, figure: float
) -> None:
    began = utcnow() - timedelta(minutes=5)
    job_ids = await make_jobs(2, status="Running", pilot=STAMP, start_exec_time=began)
    await store_heartbeats(db, job_ids, figure)
    await store_heartbeats(db, job_ids[:1], 7.0)
    assert (await kill(application, *job_ids)).status_code == 200
    async with db.read() as tx:
        columns = job_records.c.cpu_s, job_records.c.memory_kib_max
        found = (await tx.execute(sa.select(*columns).order_by(job_records.c.job_id))).all()
    assert found == [(7.0, 7.0), (0.0, None)]
    fold = next(task for task in tasks(db, record_months=60) if task.task == FOLD)
    await fold.handler(None, Run(0, 1))
    period = {"start": began.isoformat(), "end": (utcnow() + timedelta(days=1)).isoformat()}
    watcher = application.login(properties=["AccountingMonitor"])
    period["start"] = (began - timedelta(hours=1)).isoformat()
    answer = await application.client.post("/api/accounting/jobs/report", json=period, headers=watcher)
    assert [(row["jobs"], row["cpu_s"]) for row in answer.json()] == [(2, 7.0)]


async def test_a_job_whose_history_ends_with_the_calendar_is_killed(
    application: Application, make_jobs: MakeJobs, db: Database, row: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP, start_exec_time=utcnow() - timedelta(minutes=5))
    async with db.transaction() as tx:
        await tx.execute(sa.update(job_history).values(at=END_OF_TIME))
        await tx.execute(sa.update(jobs).values(heart_beat_time=END_OF_TIME))
    assert (await kill(application, job_id)).status_code == 200
    assert await row(job_id, "status") == "Killed"
    async with db.read() as tx:
        ended_at, wall_s = (await tx.execute(sa.select(job_records.c.ended_at, job_records.c.wall_s))).one()
    assert ended_at <= utcnow() + timedelta(days=1)
    assert wall_s <= timedelta(days=2).total_seconds()
