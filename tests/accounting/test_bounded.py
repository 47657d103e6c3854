"""Sums that a release before this one could not add up: they are put right by the upgrade, and stop nobody else."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text

from tests.infra.app import Application
from weyl.accounting.tables import JOB_KEYS, job_hour_deltas, job_hours, job_records
from weyl.accounting.tasks import FOLD, HOUSEKEEPING, tasks
from weyl.kit.bisected import SomeFailed
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import ensure_month_partitions
from weyl.kit.task import Run
from weyl.migrations import migrate

HUGE = 1.7e308
BEFORE = "0032_jobs_at_pilots"


def hour_of(vo: str, cpu_s: float, **other: Any) -> dict[str, Any]:
    keys = dict.fromkeys(JOB_KEYS, "x") | {"vo": vo, "owner": "alice", "status": "Done"}
    now = utcnow().replace(minute=0, second=0, microsecond=0)
    return {**keys, "hour": now, "jobs": 1, "wall_s": 60, "cpu_s": cpu_s, "core_s": 60, **other}


def record_of(vo: str, cpu_s: float, **other: Any) -> dict[str, Any]:
    now = utcnow()
    return {
        "job_id": 1, "vo": vo, "owner": "alice", "owner_group": "x", "job_type": "x", "job_group": "x", "site": "x",
        "status": "Done", "minor_status": "x", "attempt": 0, "submitted_at": now, "ended_at": now, "cores": 1,
        "wall_s": 60, "cpu_s": cpu_s, "core_s": 60, "lost": False, **other,
    }  # fmt: skip


async def insert(db: Database, table: sa.Table, *rows: dict[str, Any]) -> None:
    async with db.transaction() as tx:
        for row in rows:
            await tx.execute(sa.insert(table).values(row))


async def run(db: Database, task: Any) -> None:
    await next(each for each in tasks(db, record_months=60) if each.task == task).handler(None, Run(0, 1))


async def report(application: Application, vo: str) -> list[tuple[float, float]]:
    now = utcnow()
    asked = {"start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(days=2)).isoformat()}
    watcher = application.login(user="alice", vo=vo, properties=["AccountingMonitor"])
    answer = await application.client.post("/api/accounting/jobs/report", json=asked, headers=watcher)
    assert answer.status_code == 200, answer.text
    return [(row["jobs"], row["cpu_s"]) for row in answer.json()]


async def test_the_upgrade_puts_impossible_sums_right(application: Application, db: Database) -> None:
    await migrate.downgrade(db, BEFORE)
    await insert(db, job_records, record_of("voa", HUGE), record_of("voa", 7), record_of("vob", 5))
    await insert(db, job_hours, hour_of("voa", HUGE), hour_of("voa", 7, owner="bob"), hour_of("vob", 5))
    await insert(db, job_hour_deltas, hour_of("voa", HUGE), hour_of("voa", -HUGE), hour_of("vob", 5))
    await migrate.upgrade(db)
    for _ in range(2):
        assert await report(application, "voa") == [(4, 7)]
        assert await report(application, "vob") == [(2, 10)]
        await run(db, FOLD)
    async with db.read() as tx:
        assert sorted((await tx.execute(sa.select(job_records.c.cpu_s))).scalars()) == [0, 5, 7]


async def test_the_upgrade_brings_back_what_ended_in_times_to_come(application: Application, db: Database) -> None:
    await migrate.downgrade(db, BEFORE)
    future = utcnow() + timedelta(days=400)
    await insert(db, job_records, record_of("voa", 1, ended_at=future, wall_s=2.5e11))
    await insert(db, job_hours, hour_of("voa", 1, hour=future))
    await insert(db, job_hour_deltas, hour_of("voa", 2, hour=future))
    await migrate.upgrade(db)
    await run(db, FOLD)
    await run(db, HOUSEKEEPING)
    assert await report(application, "voa") == [(2, 3)]
    async with db.transaction() as tx:
        await ensure_month_partitions(tx, job_records.name, future)
        [(wall_s, ended_at)] = await tx.execute(sa.select(job_records.c.wall_s, job_records.c.ended_at))
    assert wall_s <= 1e9
    assert ended_at <= utcnow()


async def test_one_vos_sum_that_cannot_be_made_keeps_no_other_vo_from_its_own(
    application: Application, db: Database
) -> None:
    await insert(db, job_hour_deltas, *(hour_of(vo, HUGE) for vo in ("voa", "voa")), hour_of("vob", 5))
    with pytest.raises(SomeFailed, match="1 failed, 1 done; voa: "):
        await run(db, FOLD)
    async with db.read() as tx:
        folded = (await tx.execute(text("SELECT vo, cpu_s FROM job_hours"))).all()
        left = (await tx.execute(text("SELECT vo FROM job_hour_deltas"))).scalars().all()
    assert (folded, left) == ([("vob", 5)], ["voa", "voa"])


async def test_sums_that_no_vo_gets_fail_the_task(application: Application, db: Database) -> None:
    await insert(db, job_hour_deltas, *(hour_of("voa", HUGE) for _ in range(2)))
    with pytest.raises(SomeFailed, match="1 failed, 0 done; voa: "):
        await run(db, FOLD)
