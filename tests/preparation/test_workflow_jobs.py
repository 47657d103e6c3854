"""Jobs that run a workflow go the way of all jobs, each with what its row says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import config_document
from tests.preparation.grids import ALPHA, BETA, STATIC, grid

from weyl.config.models import Config
from weyl.jobs.permits import Managed
from weyl.jobs.ranges import to_ranges
from weyl.jobs.service.reschedule import reschedule
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.tables import queue, requirement_class

Flow = Callable[..., Awaitable[list[int]]]
SMALL, LARGE = ({"wall_time": 60, "cpu": {"num_cores": {"min": cores, "max": cores}}} for cores in (1, 8))


async def check(db: Database, job_ids: list[int], config: Config | None = None) -> None:
    """Check jobs, with file catalogues."""
    await check_jobs(db, to_ranges(job_ids), config=config or grid(), now=utcnow(), rules=STATIC)


async def rows_of(db: Database) -> list[Any]:
    """Return the rows of all jobs."""
    async with db.read() as tx:
        return list((await tx.execute(sa.select(jobs).order_by(jobs.c.job_id))).all())


async def classes(db: Database) -> dict[int, Any]:
    """Return the class in which each job waits."""
    wanted = sa.select(queue.c.job_id, requirement_class.c.document).join(
        requirement_class, requirement_class.c.class_id == queue.c.class_id
    )
    async with db.read() as tx:
        return {row.job_id: row.document for row in await tx.execute(wanted)}


async def test_rows_that_ask_for_the_same_wait_in_one_class(db: Database, workflow_jobs: Flow) -> None:
    ids = await workflow_jobs(*({"Requirements": each, "Site": [ALPHA]} for each in (SMALL, LARGE, SMALL)))
    await check(db, ids)
    rows = await rows_of(db)
    assert [row.status for row in rows] == ["Waiting"] * 3
    assert rows[0].class_ids == rows[2].class_ids != rows[1].class_ids
    found = await classes(db)
    assert [found[job_id]["requirements"]["cpu"]["num_cores"]["min"] for job_id in ids] == [1, 8, 1]
    assert {tuple(found[job_id]["sites"]) for job_id in ids} == {(ALPHA,)}


async def test_each_job_waits_where_its_own_files_are(db: Database, workflow_jobs: Flow) -> None:
    names = (["/voa/alpha"], ["LFN:/voa/beta"], [], ["/voa/none"])
    ids = await workflow_jobs(*({"InputData": each} for each in names), Requirements=SMALL)
    await check(db, ids)
    assert [row.status for row in await rows_of(db)] == ["Waiting", "Waiting", "Waiting", "Failed"]
    found = await classes(db)
    assert [found[job_id].get("sites") for job_id in ids[:3]] == [[ALPHA], [BETA], None]


async def test_a_label_with_percent_signs_changes_nothing(db: Database, workflow_jobs: Flow) -> None:
    for rows in ([{}, {}], [{"Requirements": SMALL}, {"Requirements": LARGE}]):
        more = {} if rows[0] else {"Requirements": SMALL}
        await check(db, await workflow_jobs(*rows, JobName="%s %j %n", JobGroup="%(JobGroup)s", **more))
    assert {(row.status, row.job_name, row.job_group) for row in await rows_of(db)} == {
        ("Waiting", "%s %j %n", "%(JobGroup)s")
    }


async def test_another_run_asks_for_the_same_and_has_the_same_input(db: Database, workflow_jobs: Flow) -> None:
    ids = await workflow_jobs({"Requirements": SMALL, "Site": [BETA]}, {"Requirements": LARGE, "Site": [ALPHA]})
    await check(db, ids)
    before = await rows_of(db)
    config = Config.model_validate(config_document())
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).values(status="Failed", site="LCG.Gone.org"))
        await reschedule(tx, Managed(dict.fromkeys(ids), frozenset()), config=config, now=utcnow(), reset=False)
    await check(db, ids)
    after = await rows_of(db)
    assert [(row.status, row.site, row.class_ids, row.inputs, row.parameters) for row in after] == [
        ("Waiting", row.site, row.class_ids, {"x": 1.0e5}, row.parameters) for row in before
    ]


@pytest.mark.parametrize("differ", [False, True])
async def test_ten_thousand_take_few_statements(db: Database, workflow_jobs: Flow, differ: bool) -> None:
    rows: list[dict[str, Any]] = [{"Requirements": LARGE if n % 2 else SMALL} if differ else {} for n in range(10_000)]
    with db.count_statements() as count:
        ids = await workflow_jobs(*rows, **({} if differ else {"Requirements": SMALL}))
    assert len(count) < 10
    with db.count_statements() as count:
        await check(db, ids)
    assert len(count) < 50
