"""What happens to tasks when a worker is killed in the middle, or the database goes away and comes back."""

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.tasks.crash_worker import KILL, STAY
from tests.tasks.running import Recorder, is_empty, until, working

from weyl.demo.postgres import start_postgres
from weyl.kit.db import Database
from weyl.kit.task import Task
from weyl.migrations import migrate
from weyl.tasks.engine import Worker
from weyl.tasks.locks import DATABASE_AWAY
from weyl.tasks.service import enqueue, enqueue_group

TAKEN_OVER_S = 30
NOW = datetime(2026, 11, 25, tzinfo=UTC)
FOLLOW = Task("crash.follow")


@contextmanager
def _worker_process(db: Database) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tasks.crash_worker", db.url], cwd=Path(__file__).parents[2]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
async def began(db: Database) -> Database:
    """The test's database, with a table in which tasks say that they began."""
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE began (pid int, task bigint, fencing bigint)"))
    return db


async def test_tasks_of_a_worker_killed_in_the_middle_are_taken_over_within_seconds(began: Database) -> None:
    recorder, follow = Recorder(enough=3), Recorder()
    with _worker_process(began) as process:
        async with began.transaction() as tx:
            await enqueue_group(tx, [(STAY, {"n": n}) for n in range(3)], then=FOLLOW, payload="all", now=NOW)
        await until(began, "SELECT count(*) FROM began", lambda count: count == 3)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        killed = time.monotonic()
        async with working(began, [STAY.bind_run(recorder), FOLLOW.bind_run(follow)]):
            await recorder.wait()
            taken_over_s = time.monotonic() - killed
            await follow.wait()
            await is_empty(began)
    assert taken_over_s < TAKEN_OVER_S
    assert sorted(payload["n"] for payload in recorder.payloads) == [0, 1, 2]
    assert follow.payloads == [{"payload": "all", "total": 3, "failed": []}]


async def test_the_lock_of_a_killed_worker_is_taken_with_a_higher_number(began: Database) -> None:
    recorder = Recorder()
    with _worker_process(began) as process:
        async with began.transaction() as tx:
            await enqueue(tx, STAY, [{"key": "/a"}])
        before = await until(began, "SELECT fencing FROM began")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        async with began.transaction() as tx:  # as if its time were over
            await tx.execute(text("UPDATE task_locks SET expires_at = now()"))
        async with working(began, [STAY.bind_run(recorder)]):
            await recorder.wait()
    (run,) = recorder.runs
    assert run.fencing["crash:/a"] > before


async def test_one_of_two_workers_is_killed_and_nothing_is_lost_or_done_twice_in_the_end(began: Database) -> None:
    done: set[int] = set()
    many = Task("crash.many")

    async def handle(payload: int) -> None:
        done.add(payload)

    with _worker_process(began) as process:
        async with began.transaction() as tx:
            await enqueue(tx, STAY, [{}])
            await enqueue(tx, many, range(200))
        await until(began, "SELECT count(*) FROM began")
        recorder = Recorder()
        async with working(began, [STAY.bind_run(recorder), many.bind(handle)]):
            process.send_signal(signal.SIGKILL)
            await recorder.wait()
            await is_empty(began)
    assert done == set(range(200))


async def test_a_task_that_kills_its_worker_every_time_ends_as_a_dead_letter(began: Database) -> None:
    follow = Recorder()
    async with began.transaction() as tx:
        await enqueue_group(tx, [(KILL, {"n": 1})], then=FOLLOW, payload="after", now=NOW)
    for _ in range(KILL.deaths_max):
        with _worker_process(began) as process:
            await asyncio.to_thread(process.wait, 40)
            assert process.returncode == -signal.SIGKILL
    recorder = Recorder()
    async with working(began, [KILL.bind_run(recorder), FOLLOW.bind_run(follow)]):
        await follow.wait()
        await is_empty(began)
    assert recorder.runs == []
    async with began.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM began")) == KILL.deaths_max
        letter = (await tx.execute(text("SELECT error, attempts, payload FROM task_dead_letters"))).one()
    assert letter == ("WorkerDied: worker died 2 times", 2, {"n": 1})
    assert follow.payloads[0]["total"] == len(follow.payloads[0]["failed"]) == 1


async def _enqueue_at_last(db: Database, task: Task, payload: str) -> None:
    """Enqueue as soon as the pool has got over its dead connections."""
    for _ in range(20):
        with suppress(*DATABASE_AWAY):
            async with db.transaction() as tx:
                await enqueue(tx, task, [payload])
            return
    raise AssertionError("The pool hands out dead connections only")


@pytest.mark.system
async def test_a_worker_goes_on_when_the_database_was_restarted() -> None:
    with tempfile.TemporaryDirectory(prefix="weyl-t-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        running = start_postgres(directory / "pg")
        db = Database(running.url, pool_size=4)
        recorder = Recorder(enough=2)
        task = Task("crash.across", retry_delay_s=0.1)
        try:
            await migrate.upgrade(db)
            async with working(db, [task.bind_run(recorder)]):
                async with db.transaction() as tx:
                    await enqueue(tx, task, ["before"])
                await until(db, "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")
                assert running.process is not None
                running.process.send_signal(signal.SIGKILL)
                running.process.wait(20)
                running.stop()
                running = start_postgres(directory / "pg")
                await _enqueue_at_last(db, task, "after")
                await recorder.wait()
                await is_empty(db)
        finally:
            await db.close()
            running.stop()
    assert recorder.payloads == ["before", "after"]


@pytest.mark.parametrize("cut_after_s", [0.0, 0.02, 0.05, 0.1])
async def test_a_task_that_ends_while_the_database_is_away_is_not_lost(began: Database, cut_after_s: float) -> None:
    """Its end could not be written, so it is done once more: at least once, never not at all.

    Again and again, since each cut finds the engine's connections in another state; and the worker ends in order.
    """
    for _ in range(10):
        calls = asyncio.Queue[int]()
        task = Task("crash.cut")
        worker = Worker(began, [task.bind(calls.put)])
        running = asyncio.create_task(worker.run())
        async with began.transaction() as tx:
            await enqueue(tx, task, [1])
        await asyncio.wait_for(calls.get(), 20)
        await asyncio.sleep(cut_after_s)
        async with began.read() as tx:
            await tx.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weyl-worker'")
            )
        await is_empty(began)
        worker.stop()
        await asyncio.wait_for(running, 30)
