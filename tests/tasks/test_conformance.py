"""What every engine behind the task layer must do: deliver, retry, give up, group, order, lock and limit."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.tasks.running import Gate, Recorder, is_empty, until, working

from weyl.kit.db import Database
from weyl.kit.task import Lock, Task
from weyl.tasks import locks
from weyl.tasks.engine import Worker
from weyl.tasks.errors import GiveUp, LockLost, RetryLater
from weyl.tasks.models import RunOrder
from weyl.tasks.needs import Need
from weyl.tasks.options import Limit, Options
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.queries import outcomes
from weyl.tasks.repository import Room
from weyl.tasks.service import cancel, discard, enqueue, enqueue_group, replay, run_by_hand

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
KEEPER = TaskKeeper("tester")
PLAIN = Task("t.plain", retry_delay_s=0.01, attempts_max=3)
ONCE = Task("t.once", attempts_max=1)
FOLLOW = Task("t.follow")


async def _letters(db: Database) -> list[dict[str, object]]:
    async with db.read() as tx:
        return [dict(row) for row in await outcomes.select_dead_letters(tx, KEEPER, task=None, limit=100)]


async def test_a_savepoint_that_is_rolled_back_takes_its_tasks_along(db: Database) -> None:
    recorder = Recorder()
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, ["kept"])
        savepoint = await tx.begin_nested()
        await enqueue(tx, PLAIN, ["lost"])
        await savepoint.rollback()
    await Worker(db, [PLAIN.bind_run(recorder)]).drain()
    assert recorder.payloads == ["kept"]


async def test_higher_priorities_start_first(db: Database) -> None:
    urgent, idle = Task("t.urgent", priority=10), Task("t.idle", priority=-1)
    recorder = Recorder()
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, ["later"])
        await enqueue(tx, urgent, ["first"])
        await enqueue(tx, idle, ["last"])
    bound = [task.bind_run(recorder) for task in (PLAIN, urgent, idle)]
    await Worker(db, bound, concurrency=1).drain()
    assert recorder.payloads == ["first", "later", "last"]


async def test_a_worker_takes_the_sizes_that_it_was_told_and_leaves_the_others(db: Database) -> None:
    big = Task("t.big", size="large")
    recorder, bigger = Recorder(), Recorder()
    bound = [PLAIN.bind_run(recorder), big.bind_run(bigger)]
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, ["small"])
        await enqueue(tx, big, ["large"])
    await Worker(db, bound, sizes=["small", "medium"]).drain()
    assert (recorder.payloads, bigger.payloads) == (["small"], [])
    await Worker(db, bound, sizes=["large"]).drain()
    assert bigger.payloads == ["large"]


async def test_no_more_run_at_a_time_than_the_worker_was_told(db: Database) -> None:
    gate = Gate()
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, range(30))
    async with working(db, [PLAIN.bind_run(gate)], concurrency=3):
        await asyncio.wait_for(gate.entered.wait(), 20)
        await until(db, "SELECT count(*) FROM pgqueuer WHERE status = 'picked'", lambda count: count == 3)
        gate.open.set()
        await is_empty(db)
    assert gate.most <= 3
    assert gate.done == 30


async def test_a_worker_takes_more_at_once_only_while_tasks_are_short() -> None:
    room = Room(2, batch_max=50)
    assert await room.wait() == 2
    for _ in range(200):
        async with room.one():
            pass
    assert await room.wait() == 50
    async with room.one(), room.one():
        assert await room.wait() == 48
        third = asyncio.ensure_future(room.one().__aenter__())
        await asyncio.sleep(0)
        assert not third.done()
        third.cancel()
    room.close()
    assert await room.wait() == 0


async def test_the_last_failure_becomes_a_dead_letter_with_its_history(db: Database) -> None:
    recorder = Recorder(failures=9, error=ValueError("wrong shape"))
    async with db.transaction() as tx:
        (task_id,) = await enqueue(tx, PLAIN, [{"lfn": "/a"}], vo="voa")
    async with working(db, [PLAIN.bind_run(recorder)]):
        await until(db, "SELECT count(*) FROM task_dead_letters")
    assert [run.attempt for run in recorder.runs] == [1, 2, 3]
    async with db.read() as tx:
        letter = await outcomes.select_dead_letter(tx, KEEPER, task_id or 0)
    assert letter is not None
    assert letter["payload"] == {"lfn": "/a"}
    assert (letter["attempts"], letter["vo"], letter["error"]) == (3, "voa", "ValueError: wrong shape")
    assert "running.py" in letter["traceback"]
    assert [attempt["error"] for attempt in letter["history"]] == ["ValueError: wrong shape"] * 3


async def test_a_handler_may_give_up_at_once(db: Database) -> None:
    recorder = Recorder(failures=1, error=GiveUp("no such file"))
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, [1])
    await Worker(db, [PLAIN.bind_run(recorder)]).drain()
    (letter,) = await _letters(db)
    assert (letter["attempts"], letter["error"]) == (1, "GiveUp: no such file")


async def test_a_handler_may_ask_to_be_called_later_without_losing_an_attempt(db: Database) -> None:
    recorder = Recorder(failures=4, error=RetryLater(0.01))
    async with db.transaction() as tx:
        await enqueue(tx, ONCE, [1])
    async with working(db, [ONCE.bind_run(recorder)]):
        await recorder.wait()
    assert [run.attempt for run in recorder.runs] == [1] * 5
    assert await _letters(db) == []


async def test_a_dead_letter_is_replayed_with_all_its_attempts_or_discarded(db: Database) -> None:
    recorder = Recorder(failures=2)
    worker = [ONCE.bind_run(recorder)]
    async with db.transaction() as tx:
        ids = await enqueue(tx, ONCE, ["a", "b"])
    await Worker(db, worker).drain()
    async with db.transaction() as tx:
        await replay(tx, KEEPER, [ids[0] or 0])
        await discard(tx, KEEPER, [ids[1] or 0])
    await Worker(db, worker).drain()
    assert recorder.payloads[2:] == ["a"]
    assert recorder.runs[-1].attempt == 1
    assert await _letters(db) == []


async def test_a_task_that_has_not_begun_may_be_cancelled(db: Database) -> None:
    recorder = Recorder()
    async with db.transaction() as tx:
        ids = await enqueue(tx, PLAIN, [1, 2])
    async with db.transaction() as tx:
        assert await cancel(tx, [ids[0] or 0]) == 1
    await Worker(db, [PLAIN.bind_run(recorder)]).drain()
    assert recorder.payloads == [2]


async def test_what_follows_a_group_runs_once_after_its_last_member_and_knows_the_failures(db: Database) -> None:
    follow, recorder = Recorder(), Recorder()

    async def member(payload: object) -> None:
        if payload in (3, 7):
            raise GiveUp("odd")

    members = [(ONCE, number) for number in range(10)]
    async with db.transaction() as tx:
        await enqueue_group(tx, members, then=FOLLOW, payload={"merge": 1}, now=NOW)
    async with working(
        db, [ONCE.bind(member), FOLLOW.bind_run(follow), PLAIN.bind_run(recorder)], workers=2, concurrency=2
    ):
        await follow.wait()
        await is_empty(db)
    (payload,) = follow.payloads
    assert (payload["payload"], payload["total"]) == ({"merge": 1}, 10)
    assert sorted(payload["failed"]) == sorted(letter["id"] for letter in await _letters(db))
    assert len(payload["failed"]) == 2
    await until(db, "SELECT count(*) FROM task_groups", lambda count: count == 0)


async def test_an_empty_group_is_complete_at_once(db: Database) -> None:
    follow = Recorder()
    async with db.transaction() as tx:
        await enqueue_group(tx, [], then=FOLLOW, payload=None, now=NOW)
    await Worker(db, [FOLLOW.bind_run(follow)]).drain()
    assert follow.payloads == [{"payload": None, "total": 0, "failed": []}]


async def test_a_task_that_is_delivered_twice_counts_once_in_its_group(db: Database) -> None:
    """The heartbeat of a worker that was away is stale: another takes the task while the first still works on it."""
    gate, follow = Gate(), Recorder()
    async with db.transaction() as tx:
        await enqueue_group(tx, [(PLAIN, 1), (PLAIN, 2)], then=FOLLOW, payload=None, now=NOW)
    bound = [PLAIN.bind_run(gate), FOLLOW.bind_run(follow)]
    async with working(db, bound, concurrency=2), working(db, bound, concurrency=2):
        await until(db, "SELECT count(*) FROM pgqueuer WHERE status = 'picked'", lambda count: count == 2)
        async with db.transaction() as tx:
            await tx.execute(text("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'"))
        # Both are held by both workers, or one worker has seen that it runs them already.
        await until(db, "SELECT count(*) FROM pgqueuer_log WHERE status = 'picked'", lambda count: count >= 4)
        gate.open.set()
        await follow.wait()
        await is_empty(db)
    assert follow.payloads == [{"payload": None, "total": 2, "failed": []}]


async def test_a_worker_that_must_drop_its_tasks_gives_them_back(db: Database) -> None:
    gate, recorder = Gate(), Recorder()
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, ["dropped"])
    running = asyncio.create_task(Worker(db, [PLAIN.bind_run(gate)]).run())
    await asyncio.wait_for(gate.entered.wait(), 20)
    running.cancel()
    # Asked once, it waits for the task; asked twice, it drops it.
    await asyncio.wait({running}, timeout=0.2)
    assert gate.inside == 1
    running.cancel()
    await asyncio.wait({running}, timeout=20)
    assert (running.cancelled(), gate.inside) == (True, 0)
    async with working(db, [PLAIN.bind_run(recorder)]):
        await recorder.wait()
    assert recorder.payloads == ["dropped"]


def _locked(mode: str) -> Task:
    return Task(f"t.{mode}", locks=lambda payload: [Lock(f"lfn:{payload}", mode)])  # type: ignore[arg-type]


async def test_a_writer_excludes_others_and_readers_share(db: Database) -> None:
    read, write = _locked("read"), _locked("write")
    readers, writers = Gate(), Gate()
    readers.open.set()
    async with db.transaction() as tx:
        await enqueue(tx, write, ["/a", "/a", "/a"])
    async with working(db, [read.bind_run(readers), write.bind_run(writers)], workers=2):
        await asyncio.wait_for(writers.entered.wait(), 20)
        async with db.transaction() as tx:
            await enqueue(tx, read, ["/a", "/a"])
            await enqueue(tx, read, ["/b"])
        # The reader of the other file is let in; those of the same file wait, and so do the other writers.
        await asyncio.wait_for(readers.entered.wait(), 20)
        assert len(readers.runs) == 1
        assert writers.most == 1
        writers.open.set()
        await is_empty(db)
    assert (writers.done, writers.most, readers.done) == (3, 1, 3)
    numbers = [run.fencing["lfn:/a"] for run in writers.runs]
    assert numbers == sorted(set(numbers))
    assert all(run.attempt == 1 for run in [*writers.runs, *readers.runs])


async def test_many_locks_are_taken_all_or_none_and_in_no_order(db: Database) -> None:
    pair = Task("t.pair", locks=lambda payload: [Lock(key) for key in payload])
    held: set[str] = set()

    async def handle(payload: list[str]) -> None:
        assert held.isdisjoint(payload)
        held.update(payload)
        await asyncio.sleep(0)
        held.difference_update(payload)

    async with db.transaction() as tx:
        await enqueue(tx, pair, [["a", "b"], ["b", "c"], ["c", "a"], ["b", "a"]] * 3)
    async with working(db, [pair.bind(handle)], workers=2):
        await is_empty(db)
    assert await _letters(db) == []


async def test_a_lock_that_expired_stops_its_holder(db: Database) -> None:
    taken = asyncio.Event()

    async def hold() -> None:
        async with locks.holding(db, [Need("k")], ttl=timedelta(seconds=0.3)):
            taken.set()
            await asyncio.sleep(20)

    holding = asyncio.create_task(hold())
    await asyncio.wait_for(taken.wait(), 10)
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM task_locks"))
    with pytest.raises(LockLost):
        await asyncio.wait_for(holding, 10)


async def test_a_limit_of_the_configuration_bounds_how_many_run_over_all_workers(db: Database) -> None:
    gate = Gate()
    options = Options(revision="1", limits={"task:t.plain": Limit(concurrent=2)})
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, range(5))
    async with working(db, [PLAIN.bind_run(gate)], workers=2, options=options):
        await until(db, "SELECT count(*) FROM task_locks", lambda count: count == 2)
        # The others were looked at and put off.
        await until(
            db, "SELECT count(*) FROM pgqueuer WHERE (headers ->> 'deferrals')::int > 0", lambda count: count == 3
        )
        gate.open.set()
        await is_empty(db)
    assert (gate.most, gate.done) == (2, 5)


async def test_limits_hold_for_each_key_and_each_vo(db: Database) -> None:
    staged = dataclasses.replace(PLAIN, name="t.staged", limits=lambda payload: [f"se:{payload}"])
    gate = Gate()
    options = Options(limits={"se:*": Limit(concurrent=1), "vo:vob": Limit(concurrent=0)})
    async with db.transaction() as tx:
        await enqueue(tx, staged, ["A", "A", "B"], vo="voa")
        await enqueue(tx, staged, ["C"], vo="vob")
    async with working(db, [staged.bind_run(gate)], options=options):
        await until(db, "SELECT count(DISTINCT key) FROM task_locks", lambda count: count == 2)
        await until(db, "SELECT count(*) FROM pgqueuer WHERE headers ? 'deferrals'", lambda count: count == 2)
        gate.open.set()
        # What a VO may not do now, waits.
        await until(db, "SELECT count(*) FROM pgqueuer", lambda count: count == 1)
    assert {run.vo for run in gate.runs} == {"voa"}
    assert gate.most == 2


async def test_a_rate_lets_a_burst_through_and_then_one_at_a_time(db: Database) -> None:
    recorder = Recorder(enough=4)
    options = Options(limits={"task:t.plain": Limit(rate=60, per_s=3600, burst=2)})
    async with db.transaction() as tx:
        await enqueue(tx, PLAIN, range(4))
    async with working(db, [PLAIN.bind_run(recorder)], options=options):
        await until(db, "SELECT count(*) FROM pgqueuer WHERE headers ? 'deferrals'", lambda count: count == 2)
        assert len(recorder.payloads) == 2
        async with db.transaction() as tx:  # as if the time had passed
            await tx.execute(text("UPDATE task_buckets SET filled_at = filled_at - interval '3 hours'"))
            await tx.execute(text("UPDATE pgqueuer SET execute_after = now()"))
        await recorder.wait()
    assert all(run.attempt == 1 for run in recorder.runs)


async def test_a_declared_task_is_run_by_hand(db: Database) -> None:
    recorder = Recorder()
    each = Task("t.each", every=timedelta(hours=1), per_vo=True)
    options = Options(revision="1", vos=["voa"])
    async with working(db, [each.bind_run(recorder)], options=options):
        await recorder.wait()
    async with db.transaction() as tx:
        await run_by_hand(tx, KEEPER, "t.each", RunOrder(vo="vob"))
    await Worker(db, [each.bind_run(recorder)]).drain()
    assert recorder.payloads == [{"vo": "voa"}, {"vo": "vob"}]
