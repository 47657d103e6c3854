"""Measures orders about very many waiting jobs: kill, delete and removal, by one worker, in seconds and statements."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import text

from tests.bench.stack import load
from tests.infra.app import Installation, config_document
from weyl.config.service import ConfigStore
from weyl.demo.postgres import start_postgres
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.models.bulk import BulkOrder
from weyl.jobs.permits import Orderer, Scope
from weyl.jobs.service.bulk import BULK, confirmed, plan
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.ids import uuid7
from weyl.migrations import migrate
from weyl.task_queues.requirements import make_class
from weyl.task_queues.service import enqueue_jobs
from weyl.tasks.engine import Worker
from weyl.tasks.operations import begin

JOBS = 100_000
ACTIONS = ("kill", "delete", "remove")
ORDERER = Orderer("voa", None, Scope("voa"))

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


@dataclass(frozen=True)
class Figures:
    """What was measured, and on what."""

    jobs: int
    plan_ms: dict[str, float]
    seconds: dict[str, float]
    statements_a_thousand: dict[str, float]
    cores: int
    load_before: Sequence[float]
    load_after: Sequence[float]

    def text(self) -> str:
        """Return the figures as lines."""
        return "\n".join(
            f"{action}: {self.jobs:,} waiting jobs in {self.seconds[action]:.1f} s"
            f" ({self.jobs / self.seconds[action]:,.0f} jobs/s), {self.statements_a_thousand[action]:.1f} statements"
            f" a thousand, planned in {self.plan_ms[action]:.0f} ms"
            for action in self.seconds
        )


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


async def _measure(url: str, directory: Path, jobs: int) -> Figures:
    installation = Installation(directory, "", "")
    installation.commit_config(config_document(), "Bench")
    config = ConfigStore(f"git+file://{installation.config_directory}")
    db = Database(url, pool_size=4)
    await migrate.upgrade(db)
    await config.start()
    await _fill(db, jobs)
    plans, seconds, statements, load_before = {}, {}, {}, load()
    for action in ACTIONS:
        order = BulkOrder.model_validate({"action": action, "search": []})
        began = time.monotonic()
        async with db.read() as tx:
            planned = await plan(tx, ORDERER, order)
        plans[action] = 1000 * (time.monotonic() - began)
        assert planned.count == jobs, planned
        ordered = confirmed(
            order, ORDERER, operation_id=uuid7(), who=("bench", "bench"), bound=planned.bound, total=jobs
        )
        async with db.transaction() as tx:
            await begin(tx, BULK, ordered, undo_s=0, now=utcnow())
        worker = Worker(db, [each for each in jobs_tasks.tasks(db, config) if each.task.name == BULK.name])
        with db.count_statements() as counted:
            began = time.monotonic()
            await worker.drain()
            seconds[action] = time.monotonic() - began
            statements[action] = 1000 * len(counted) / jobs
        async with db.read() as tx:
            assert await tx.scalar(text("SELECT done FROM operations ORDER BY created_at DESC LIMIT 1")) == jobs
    await config.stop()
    await db.close()
    return Figures(jobs, plans, seconds, statements, os.cpu_count() or 1, load_before, load())


def measure(out: Path, *, jobs: int = JOBS) -> None:
    """Measure, print and write the figures; commits are synced."""
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg", fast=False) as running:
            figures = asyncio.run(_measure(running.url, directory / "installation", jobs))
    print(figures.text())
    (out / "bulk.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
