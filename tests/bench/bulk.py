"""Measures orders about very many waiting jobs, by one worker, beside the bare statements: kill, delete and removal."""

import asyncio
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import text

from tests.bench.cpu import cpu_s
from tests.bench.verdicts import Report, Sample, count, figure, times
from tests.infra.app import Installation, config_document
from weyl.config.service import ConfigStore
from weyl.demo.postgres import start_postgres
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.models.bulk import BulkOrder
from weyl.jobs.permits import JobScope, Orderer
from weyl.jobs.service.bulk import BULK, confirmed, plan
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.ids import uuid7
from weyl.migrations import migrate
from weyl.task_queues.requirements import make_class
from weyl.task_queues.service import enqueue_jobs
from weyl.tasks.engine import Worker
from weyl.tasks.operations import begin

JOBS = 20_000
TIMES_MAX = {"kill": 6.0, "delete": 12.0, "remove": 45.0}
"""How many times the CPU of the bare statements an order takes, of the worker and the database together."""
STATEMENTS_MAX = {"kill": 14.0, "delete": 15.0, "remove": 13.0}
"""Statements per thousand jobs."""

_DESCRIPTION = text(
    "INSERT INTO job_descriptions (jdl, document, jobs) VALUES ('', '{}', :jobs) RETURNING description_id"
)
_JOBS = text(
    "INSERT INTO jobs (owner, owner_group, vo, job_type, submission_time, last_update_time, status, description_id)"
    " SELECT 'alice', 'user', 'voa', 'User', now(), now(), 'Waiting', :description FROM generate_series(1, :jobs)"
    " RETURNING job_id"
)
_HISTORY = text(
    "INSERT INTO job_history (job_id, at, status, minor_status, application_status)"
    " SELECT job_id, submission_time, status, 'idem', 'idem' FROM jobs"
)
_QUEUED = text("UPDATE jobs SET class_ids = ARRAY[CAST(:class_id AS integer)]")
_MOVE = (
    "WITH moved AS (UPDATE jobs SET status = '{0}', minor_status = '{0}', last_update_time = now() RETURNING *)"
    " INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)"
    " SELECT job_id, last_update_time, status, minor_status, application_status, 'bare' FROM moved"
)
BARE = {
    "kill": (text(_MOVE.format("Killed")), text("DELETE FROM queue")),
    "delete": (text(_MOVE.format("Deleted")),),
    "remove": (text("DELETE FROM jobs"),),
}


async def _fill(db: Database, jobs: int) -> None:
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
        description = (await tx.execute(_DESCRIPTION, {"jobs": jobs})).scalar_one()
        ids = list((await tx.execute(_JOBS, {"description": description, "jobs": jobs})).scalars())
        await tx.execute(_HISTORY)
        placed = await enqueue_jobs(tx, [(job_id, made) for job_id in ids])
        await tx.execute(_QUEUED, {"class_id": placed[ids[0]][0]})
    async with db.read() as tx:
        await tx.execute(text("VACUUM ANALYZE"))


class Bench:
    """A database, and what was measured on it."""

    def __init__(self, db: Database, config: ConfigStore, *, pid: int, jobs: int) -> None:
        self.costs: dict[str, list[tuple[Sample, Sample]]] = {action: [] for action in BARE}
        self.statements: dict[str, float] = {}
        self.rates: dict[str, list[float]] = {action: [] for action in BARE}
        self._db = db
        self._config = config
        self._pid = pid
        self._jobs = jobs

    async def round(self) -> None:
        """Give all orders about new jobs, and do the same bare to as many."""
        await _fill(self._db, self._jobs)
        ours = {action: await self._cost(action, self._order) for action in BARE}
        await _fill(self._db, self._jobs)
        for action in BARE:
            self.costs[action].append((ours[action], await self._cost(action, self._bare)))

    async def _cost(self, action: str, do: Callable[[str], Awaitable[None]]) -> Sample:
        """Return milliseconds of CPU per thousand jobs, of this process and of the database."""
        before = time.process_time(), cpu_s(self._pid)
        await do(action)
        after = time.process_time(), cpu_s(self._pid)
        return tuple((late - early) * 1e6 / self._jobs for early, late in zip(before, after, strict=True))

    async def _bare(self, action: str) -> None:
        async with self._db.transaction() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = 0"))
            for statement in BARE[action]:
                await tx.execute(statement)

    async def _order(self, action: str) -> None:
        order = BulkOrder.model_validate({"action": action, "search": []})
        orderer = Orderer(order.action, "voa", None, JobScope("voa"))
        async with self._db.read() as tx:
            planned = await plan(tx, orderer, order)
        assert planned.count == self._jobs, planned
        about = {"bound": planned.bound, "total": self._jobs}
        ordered = confirmed(order, orderer, operation_id=uuid7(), who=("bench", "bench"), **about)
        async with self._db.transaction() as tx:
            await begin(tx, BULK, ordered, undo_s=0, now=utcnow())
        tasks = [each for each in jobs_tasks.tasks(self._db, self._config) if each.task.name == BULK.name]
        with self._db.count_statements() as counted:
            began = time.monotonic()
            await Worker(self._db, tasks).drain()
            self.rates[action].append(self._jobs / (time.monotonic() - began))
            self.statements[action] = 1000 * len(counted) / self._jobs
        async with self._db.read() as tx:
            done = await tx.scalar(text("SELECT done FROM operations ORDER BY created_at DESC LIMIT 1"))
        assert done == self._jobs


async def _measure(report: Report, url: str, pid: int, *, directory: Path, options: Namespace) -> None:
    installation = Installation(directory, "", "")
    installation.commit_config(config_document(), "Bench")
    config, db = ConfigStore(f"git+file://{installation.config_directory}"), Database(url, pool_size=4)
    await migrate.upgrade(db)
    await config.start()
    jobs = max(1_000, int(round(JOBS * options.scale, -3)))
    bench = Bench(db, config, pid=pid, jobs=jobs)
    for turn in range(options.alternations):
        await bench.round()
        if turn == options.alternations // 2:
            report.note_pace()
    await config.stop()
    await db.close()
    report.say(f"{jobs:,} waiting jobs on both sides in each run, commits are synced")
    for action in BARE:
        costs, most = bench.costs[action], STATEMENTS_MAX[action]
        report.add(
            times(f"{action}: CPU per 1,000 jobs", costs, over="bare", of="ms", at_most=TIMES_MAX[action]),
            count(f"{action}: statements per 1,000 jobs", bench.statements[action], at_most=most),
            figure(f"{action}: rate of one worker", statistics.median(bench.rates[action]), "jobs/s"),
        )


def measure(options: Namespace) -> int:
    """Measure on a database of its own."""
    report = Report("bulk")
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg") as running:
            assert running.pid is not None
            own = directory / "installation"
            asyncio.run(_measure(report, running.url, running.pid, directory=own, options=options))
    return report.finish()
