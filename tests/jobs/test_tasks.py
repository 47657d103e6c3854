"""Background work on jobs: what is kept, and what is forgotten."""

from typing import Any, cast

import sqlalchemy as sa

from weyl.jobs.tasks import FORGET, tasks
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import ensure_month_partitions, month_start
from weyl.kit.task import Run


async def test_months_that_are_over_are_forgotten_and_the_others_stay(db: Database) -> None:
    bound = {each.task.name: each for each in tasks(db, cast(Any, None), history_months=12, heartbeat_months=2)}
    now = utcnow()
    months = {"job_history": (0, -12, -13, -30), "job_heartbeats": (0, -2, -3, -12)}
    async with db.transaction() as tx:
        for table, offsets in months.items():
            for offset in offsets:
                await ensure_month_partitions(tx, table, month_start(now, offset), ahead=0)
        for offset in (-13, -12):
            values = {"at": month_start(now, offset)}
            await tx.execute(
                sa.text(
                    "INSERT INTO job_history (job_id, at, status, minor_status, application_status, recorded_at)"
                    f" VALUES ({-offset}, :at, 'Done', '', '', :at)"
                ),
                values,
            )
    await bound[FORGET.name].handler(None, Run(0, 1))
    async with db.read() as tx:
        names = set((await tx.execute(sa.text("SELECT inhrelid::regclass::text FROM pg_inherits"))).scalars())
        left = list((await tx.execute(sa.text("SELECT job_id FROM job_history"))).scalars())
    for table, (this, oldest, *gone) in months.items():
        assert {f"{table}_{month_start(now, offset):%Y_%m}" for offset in (this, oldest)} <= names
        assert not {f"{table}_{month_start(now, offset):%Y_%m}" for offset in gone} & names
    assert left == [12]
