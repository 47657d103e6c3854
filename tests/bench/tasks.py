"""Measures the task engine through our layer: no-op tasks a second, enqueue to start, and the time to take over."""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from sqlalchemy import text

from tests.bench.stack import load
from tests.tasks.crash_worker import STAY
from weyl.demo.postgres import start_postgres
from weyl.kit.db import Database
from weyl.migrations import migrate
from weyl.tasks.engine import Worker
from weyl.tasks.models import BoundTask, Lock, Task
from weyl.tasks.options import Limit, Options
from weyl.tasks.service import enqueue

NOTHING = Task("bench.nothing")
GUARDED = Task("bench.guarded", locks=lambda payload: [Lock(f"bench:{payload}")])
TASKS = 20_000
GUARDED_TASKS = 1_000
BATCH = 1_000
SAMPLES = 400
KILLS = 3
RUNS = 3


@dataclass(frozen=True)
class Figures:
    """What was measured, and on what."""

    tasks: int
    tasks_s: float
    tasks_s_runs: list[float]
    cpu_ms_a_task: float
    database_cpu_ms_a_task: float
    guarded_tasks_s: float
    enqueued_s: float
    start_ms_p50: float
    start_ms_p95: float
    taken_over_s: list[float]
    database: str
    cores: int
    load_before: Sequence[float]
    load_after: Sequence[float]

    def text(self) -> str:
        """Return the figures as lines, each with its target."""
        return "\n".join(
            (
                f"tasks: {self.tasks_s:,.0f} no-op tasks/s a worker (target 4,000), "
                f"CPU each {self.cpu_ms_a_task:.2f} ms and {self.database_cpu_ms_a_task:.2f} ms of the database; "
                f"enqueued {self.enqueued_s:,.0f}/s, {BATCH} at a time",
                f"tasks: {self.guarded_tasks_s:,.0f} tasks/s that each take a lock and a place under a limit",
                f"tasks: enqueue to start p50 {self.start_ms_p50:.1f} ms, p95 {self.start_ms_p95:.1f} ms (target 10)",
                f"tasks: taken over {max(self.taken_over_s):.1f} s after kill -9 (target 10)",
            )
        )


async def nothing(_: object) -> None:
    """Do nothing."""


async def _fill(db: Database, task: Task, count: int) -> float:
    began = time.perf_counter()
    for first in range(0, count, BATCH):
        async with db.transaction() as tx:
            await enqueue(tx, task, range(first, min(first + BATCH, count)))
    return count / (time.perf_counter() - began)


async def _drain(worker: Worker, count: int) -> tuple[float, float]:
    """Return tasks a second, and milliseconds of this process's CPU a task."""
    began, cpu = time.perf_counter(), time.process_time()
    await worker.drain()
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1e3


async def _start_ms(db: Database) -> list[float]:
    """Return how long after the call that enqueued it each task began."""
    started: asyncio.Queue[float] = asyncio.Queue()

    async def note(began: float) -> None:
        await started.put((time.perf_counter() - began) * 1e3)

    worker = Worker(db, [NOTHING.bind(note)])
    running = asyncio.create_task(worker.run())
    waits = []
    for _ in range(SAMPLES):
        async with db.transaction() as tx:
            await enqueue(tx, NOTHING, [time.perf_counter()])
        waits.append(await asyncio.wait_for(started.get(), 30))
        await asyncio.sleep(0.005)
    worker.stop()
    await running
    return waits[SAMPLES // 10 :]


async def _take_over_s(db: Database) -> float:
    """Return the seconds between the death of a worker and the next start of its task elsewhere."""
    taken: asyncio.Queue[float] = asyncio.Queue()

    async def note(_: object) -> None:
        await taken.put(time.monotonic())

    process = subprocess.Popen([sys.executable, "-m", "tests.tasks.crash_worker", db.url])
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE IF NOT EXISTS began (pid int, task bigint, fencing bigint)"))
        await tx.execute(text("TRUNCATE began"))
        await enqueue(tx, STAY, [{}])
    began = 0
    while not began:
        await asyncio.sleep(0.05)
        async with db.read() as tx:
            began = await tx.scalar(text("SELECT count(*) FROM began")) or 0
    worker = Worker(db, [STAY.bind(note)])
    running = asyncio.create_task(worker.run())
    process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    process.wait()
    at = await asyncio.wait_for(taken.get(), 60)
    worker.stop()
    await running
    return at - killed


def _cpu_s(pid: int) -> float:
    """Return the CPU time of the database: of its first process, and of all connections, those that ended included."""
    first = psutil.Process(pid)
    times = first.cpu_times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(sum(child.cpu_times()[:2]) for child in first.children())


async def _measure(db: Database, pid: int) -> Figures:
    await migrate.upgrade(db)
    before, database_cpu_s = load(), 0.0
    bound: list[BoundTask] = [NOTHING.bind(nothing), GUARDED.bind(nothing)]
    runs, cpu, filled = [], [], []
    for _ in range(RUNS):
        filled.append(await _fill(db, NOTHING, TASKS))
        used_s = _cpu_s(pid)
        tasks_s, cpu_ms = await _drain(Worker(db, bound), TASKS)
        database_cpu_s += _cpu_s(pid) - used_s
        runs.append(tasks_s)
        cpu.append(cpu_ms)
    await _fill(db, GUARDED, GUARDED_TASKS)
    options = Options(limits={"task:bench.guarded": Limit(concurrent=50)})
    guarded_s, _ = await _drain(Worker(db, bound, options=lambda: options), GUARDED_TASKS)
    waits = statistics.quantiles(await _start_ms(db), n=100)
    return Figures(
        tasks=TASKS,
        tasks_s=statistics.median(runs),
        tasks_s_runs=runs,
        cpu_ms_a_task=statistics.median(cpu),
        database_cpu_ms_a_task=database_cpu_s / (RUNS * TASKS) * 1e3,
        guarded_tasks_s=guarded_s,
        enqueued_s=statistics.median(filled),
        start_ms_p50=waits[49],
        start_ms_p95=waits[94],
        taken_over_s=[await _take_over_s(db) for _ in range(KILLS)],
        database="PostgreSQL of its own, fsync and synchronous_commit on",
        cores=os.cpu_count() or 0,
        load_before=before,
        load_after=load(),
    )


async def _measure_on(url: str, pid: int) -> Figures:
    db = Database(url)
    try:
        return await _measure(db, pid)
    finally:
        await db.close()


def measure(out: Path) -> Figures:
    """Measure on a database of its own, which syncs every commit; writes `tasks.json`."""
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg") as running:
            assert running.pid is not None
            figures = asyncio.run(_measure_on(running.url, running.pid))
    (out / "tasks.json").write_text(json.dumps(asdict(figures), indent=1) + "\n")
    print(figures.text(), flush=True)
    return figures
