"""Measures the task engine through our layer, beside a bare queue on the same database, and the time to take over."""

import asyncio
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import asyncpg
from sqlalchemy import text

from tests.bench.bare_queue import BareQueue
from tests.bench.cpu import cpu_s
from tests.bench.verdicts import Report, Sample, figure, limit, times
from tests.tasks.crash_worker import STAY
from weyl.demo.postgres import start_postgres
from weyl.kit.db import Database, libpq_dsn
from weyl.kit.task import Lock, Task
from weyl.migrations import migrate
from weyl.tasks.engine import Worker
from weyl.tasks.options import Limit, Options
from weyl.tasks.service import enqueue

NOTHING = Task("bench.nothing")
GUARDED = Task("bench.guarded", locks=lambda payload: [Lock(f"bench:{payload}")])
TASKS = 10_000
GUARDED_TASKS = 1_000
BATCH = 1_000
SAMPLES = 100
WARM_UP = 20
KILLS = 3
TIMES_MAX = 12.0
"""How many times the CPU of a bare queue a task takes, of the worker and the database together."""
START_TIMES_MAX = 4.0
"""How many times later than in a bare queue a task starts after the call that enqueued it."""
TAKEN_OVER_S_MAX = 10.0
"""A worker that is silent for five seconds has lost its tasks; the watch that says so looks every few."""


async def nothing(_: object) -> None:
    """Do nothing."""


async def _fill(db: Database, task: Task, count: int) -> None:
    for first in range(0, count, BATCH):
        async with db.transaction() as tx:
            await enqueue(tx, task, range(first, min(first + BATCH, count)))


async def _drain(db: Database, pid: int, count: int) -> tuple[Sample, float]:
    """Return milliseconds of CPU per task, of this process and of the database, and tasks per second."""
    worker = Worker(db, [NOTHING.bind(nothing)])
    began, before = time.perf_counter(), (time.process_time(), cpu_s(pid))
    await worker.drain()
    after, seconds = (time.process_time(), cpu_s(pid)), time.perf_counter() - began
    return tuple((late - early) / count * 1e3 for early, late in zip(before, after, strict=True)), count / seconds


async def _start_ms(db: Database) -> float:
    """Return how long after the call that enqueued it a task begins, the median of some."""
    started: asyncio.Queue[float] = asyncio.Queue()

    async def note(began: float) -> None:
        await started.put((time.perf_counter() - began) * 1e3)

    worker = Worker(db, [NOTHING.bind(note)])
    running = asyncio.create_task(worker.run())
    waits = []
    for _ in range(WARM_UP + SAMPLES):
        async with db.transaction() as tx:
            await enqueue(tx, NOTHING, [time.perf_counter()])
        waits.append(await asyncio.wait_for(started.get(), 30))
    worker.stop()
    await running
    return statistics.median(waits[WARM_UP:])


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


async def _guarded_s(db: Database) -> float:
    """Return how many tasks per second are done that each take a lock and a place under a limit."""
    await _fill(db, GUARDED, GUARDED_TASKS)
    options = Options(limits={"task:bench.guarded": Limit(concurrent=50)})
    began = time.perf_counter()
    await Worker(db, [GUARDED.bind(nothing)], options=lambda: options).drain()
    return GUARDED_TASKS / (time.perf_counter() - began)


async def _measure(report: Report, url: str, pid: int, options: Namespace) -> None:
    db, tasks = Database(url), max(BATCH, round(TASKS * options.scale))
    await migrate.upgrade(db)
    connection, listening = await asyncpg.connect(libpq_dsn(url)), await asyncpg.connect(libpq_dsn(url))
    bare = await BareQueue.create(connection, listening, pid)
    costs, starts, rates, bare_rates = [], [], [], []
    for _ in range(options.alternations):
        await _fill(db, NOTHING, tasks)
        ours, rate = await _drain(db, pid, tasks)
        theirs, bare_rate = await bare.drain(tasks)
        costs.append((ours, theirs))
        rates.append(rate)
        bare_rates.append(bare_rate)
        starts.append((await _start_ms(db), await bare.start_ms(SAMPLES)))
    report.note_pace()
    report.say(f"{tasks} tasks that do nothing on both sides, one database that syncs its commits")
    taken_over_s = [await _take_over_s(db) for _ in range(KILLS)]
    report.add(
        times("CPU per task, worker + database", costs, over="bare", of="ms", at_most=TIMES_MAX),
        times("enqueued to started, p50", starts, over="bare", of="ms", at_most=START_TIMES_MAX),
        limit("taken over after kill -9, the longest", max(taken_over_s), "s", at_most=TAKEN_OVER_S_MAX),
        figure("tasks that do nothing", statistics.median(rates), "tasks/s"),
        figure("the same in a bare queue", statistics.median(bare_rates), "tasks/s"),
        figure("tasks that take a lock and a place under a limit", await _guarded_s(db), "tasks/s"),
    )
    for each in (connection, listening):
        await each.close()
    await db.close()


def measure(options: Namespace) -> int:
    """Measure on a database of its own, which syncs every commit."""
    report = Report("tasks")
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg") as running:
            assert running.pid is not None
            asyncio.run(_measure(report, running.url, running.pid, options))
    return report.finish()
