"""The task engine: enqueued with the change, retried, scheduled once across workers, locked, and taken over."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.faults.proxy import proxy_before, url_through
from tests.tasks.running import WAIT_S, working

from weyl.kit.bisected import SomeFailed
from weyl.kit.bisection import bisect
from weyl.kit.db import Database
from weyl.kit.task import Run, Task
from weyl.tasks import engine, locks
from weyl.tasks.engine import Worker
from weyl.tasks.needs import retry_delay
from weyl.tasks.repository import TaskRepository
from weyl.tasks.schedule import first_run, next_run
from weyl.tasks.service import enqueue

GREET = Task("test.greet", retry_delay_s=0.01, attempts_max=3)


class Recorder:
    """A handler that keeps what it got and says when it got enough."""

    def __init__(self, *, failures: int = 0) -> None:
        self.payloads: list[object] = []
        self.called = asyncio.Event()
        self._failures = failures

    async def __call__(self, payload: object) -> None:
        self.payloads.append(payload)
        if len(self.payloads) <= self._failures:
            raise RuntimeError("not yet")
        self.called.set()


async def _failed(db: Database) -> int:
    async with db.read() as tx:
        return await tx.scalar(text("SELECT count(*) FROM task_dead_letters")) or 0


async def test_a_task_exists_if_and_only_if_its_transaction_commits(db: Database) -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await enqueue(tx, GREET, ["lost"])
            raise ZeroDivisionError
    async with db.transaction() as tx:
        await enqueue(tx, GREET, [{"to": "Hermann"}, {"to": "Emmy"}])
    await Worker(db, [GREET.bind(recorder)]).drain()
    assert sorted(str(payload) for payload in recorder.payloads) == ["{'to': 'Emmy'}", "{'to': 'Hermann'}"]


async def test_a_key_that_waits_is_not_enqueued_again_and_does_not_break_the_transaction(db: Database) -> None:
    recorder = Recorder()
    for _ in range(2):
        async with db.transaction() as tx:
            await enqueue(tx, GREET, [1], keys=["once"])
            await tx.execute(text("SELECT 1"))
    await Worker(db, [GREET.bind(recorder)]).drain()
    assert recorder.payloads == [1]


async def test_a_task_that_fails_is_tried_again(db: Database) -> None:
    recorder = Recorder(failures=2)
    worker = Worker(db, [GREET.bind(recorder)])
    async with db.transaction() as tx:
        await enqueue(tx, GREET, ["hello"])
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(recorder.called.wait(), 20)
    worker.stop()
    await running
    assert len(recorder.payloads) == 3
    assert await _failed(db) == 0


async def test_the_last_failure_is_kept(db: Database) -> None:
    once = Task("test.once", attempts_max=1)
    recorder = Recorder(failures=1)
    async with db.transaction() as tx:
        await enqueue(tx, once, ["hello"])
    await Worker(db, [once.bind(recorder)]).drain()
    assert await _failed(db) == 1


async def test_entries_that_fail_fail_the_run_which_is_not_repeated_and_leaves_no_dead_letter(db: Database) -> None:
    runs = []

    async def work(entries: Sequence[int]) -> int:
        if 2 in entries:
            raise ValueError("no")
        return len(entries)

    async def sweep(_: object) -> None:
        runs.append(await bisect([1, 2, 3], work, event="test.not_done"))

    async with db.transaction() as tx:
        await enqueue(tx, GREET, [1])
    bound = GREET.bind(sweep)
    with capture_logs() as logs:
        await Worker(db, [bound]).drain()
    assert [run.done for run in runs] == [2]
    assert [line["log_level"] for line in logs if line["event"] == "task.partly_failed"] == ["error"]
    assert await _failed(db) == 0
    with pytest.raises(SomeFailed, match="1 failed, 2 done; 2: ValueError"):
        await bound.handler(None, Run(0, 1))


async def test_a_schedule_runs_once_for_two_workers(db: Database) -> None:
    hourly = Task("test.hourly", every=timedelta(hours=1))
    recorder = Recorder()
    workers = [Worker(db, [hourly.bind(recorder)]) for _ in range(2)]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    await asyncio.wait_for(recorder.called.wait(), 20)
    for worker in workers:
        worker.stop()
    await asyncio.gather(*running)
    assert recorder.payloads == [None]


async def test_a_locked_task_is_skipped_while_another_run_holds_the_lock(db: Database) -> None:
    locked = Task("test.locked", lock="the lock")
    recorder = Recorder()
    worker = Worker(db, [locked.bind(recorder)])
    async with locks.hold(db, "the lock") as fencing:
        assert fencing is not None
        await worker.run_now("test.locked")
    assert recorder.payloads == []
    await worker.run_now("test.locked")
    assert recorder.payloads == [None]


async def test_a_lock_whose_holder_died_is_taken_with_a_higher_fencing_number(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO task_locks (key, holder, mode, task, since, expires_at, fencing) VALUES"
                " ('dead', 'somebody', 'write', 'test', now(), now() - interval '1 second', nextval('task_fencing'))"
            ),
        )
        died_with = await tx.scalar(text("SELECT fencing FROM task_locks"))
    async with locks.hold(db, "dead") as fencing:
        assert fencing is not None
        assert fencing > died_with


async def test_the_worker_comes_back_when_the_database_drops_its_connections(db: Database) -> None:
    recorder = Recorder()
    worker = Worker(db, [GREET.bind(recorder)])
    running = asyncio.create_task(worker.run())
    async with db.read() as tx:
        while not await tx.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weyl-worker'")):
            await asyncio.sleep(0.01)
        await tx.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weyl-worker'")
        )
    async with db.transaction() as tx:
        await enqueue(tx, GREET, ["after"])
    await asyncio.wait_for(recorder.called.wait(), 30)
    worker.stop()
    await running


async def test_a_task_that_fails_as_the_database_goes_away_has_its_other_attempts(
    db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be put back then; a task that ends later kept the engine up until the database was there again."""
    tried, is_back, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    retry_job = TaskRepository.retry_job

    async def watched(*arguments: Any) -> None:
        try:
            await retry_job(*arguments)
        finally:
            tried.set()

    monkeypatch.setattr(TaskRepository, "retry_job", watched)

    async def fail_once(_: object) -> None:
        if tried.is_set():
            again.set()
            return
        proxy.play("reset")
        raise ConnectionError("away")

    async def stay(_: object) -> None:
        await is_back.wait()

    long, short = Task("test.long", priority=1), Task("test.short", retry_delay_s=0.01)
    async with db.transaction() as tx:
        await enqueue(tx, long, [None])
        await enqueue(tx, short, [None])
    with proxy_before(database_url) as proxy:
        far = Database(url_through(proxy, database_url), pool_size=2)
        async with working(far, [long.bind(stay), short.bind(fail_once)]):
            await asyncio.wait_for(tried.wait(), WAIT_S)
            proxy.play("none")
            is_back.set()
            await asyncio.wait_for(again.wait(), WAIT_S)
        await far.close()
    assert await _failed(db) == 0


async def test_a_worker_that_has_run_for_long_begins_again_at_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RESTART_DELAY_S", 0.01)
    monkeypatch.setattr(engine, "STABLE_S", 0.0)
    began = time.monotonic()
    seen: set[int] = set()
    async with working(db, [GREET.bind(Recorder())]), db.read() as tx:
        while len(seen) < 24:
            assert time.monotonic() - began < 20
            pids = await tx.scalars(
                text("SELECT pid FROM pg_stat_activity WHERE application_name = 'weyl-worker' AND pid <> ALL(:seen)"),
                {"seen": list(seen)},
            )
            for pid in pids:
                seen.add(pid)
                await tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await asyncio.sleep(0.01)


def test_a_task_has_one_schedule_at_most() -> None:
    with pytest.raises(ValueError, match="not both"):
        Task("test.two", every=timedelta(seconds=1), cron="* * * * *")


def test_schedules_are_pure() -> None:
    now = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
    assert first_run("cron 0 * * * *", now) == datetime(2026, 11, 25, 11, tzinfo=UTC)
    assert first_run("every 5 s", now) == now
    assert next_run("every 5 s", now) == now + timedelta(seconds=5)
    assert retry_delay(Task("r", retry_delay_s=1), 3) == timedelta(seconds=8)
    assert retry_delay(Task("r", retry_delay_s=1), 60) == timedelta(minutes=5)
