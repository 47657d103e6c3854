"""An index that is behind: it may delay a job, and never loses one or gives one out twice."""

import asyncio
import json
from typing import Any

from sqlalchemy import text
from tests.matcher.conftest import StartMatcher, Submit, a_pilot, a_request, parked
from tests.matcher.factories import a_class

from weyl.kit.db import Database, Tx
from weyl.task_queues import service
from weyl.task_queues.queries import classes as queries

QUIET_S = 600.0
JOBS = 1_500


async def unannounced(db: Database, job_ids: list[int]) -> None:
    """Put jobs back into the queue without telling anybody."""
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE jobs SET status = 'Waiting', pilot_stamp = NULL WHERE job_id = ANY(:ids)"), {"ids": job_ids}
        )
        rows = await tx.execute(
            text("SELECT class_ids[1], job_id FROM jobs WHERE job_id = ANY(:ids)"), {"ids": job_ids}
        )
        await queries.insert_jobs(tx, [(row[0], row[1]) for row in rows])


async def test_a_job_that_was_locked_when_it_was_looked_for_is_found_again(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    """A kill that is taken back: the pop passed over the row, and nobody will tell that it is there."""
    [job_id] = await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    async with db.transaction() as tx:
        await tx.execute(text("SELECT FROM queue FOR UPDATE"))
        assert (await matcher.match(a_pilot(), a_request())).jobs == []
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    await matcher.freshness.queue.seen()
    assert [job.job_id for job in (await matcher.match(a_pilot(), a_request())).jobs] == [job_id]


async def test_what_was_not_heard_while_the_line_was_down_is_looked_for(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    [job_id] = await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    assert len((await matcher.match(a_pilot(), a_request())).jobs) == 1
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    asked = asyncio.create_task(matcher.match(a_pilot("b" * 32), a_request(wait_s=30)))
    await parked(matcher)
    await unannounced(db, [job_id])
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query ILIKE 'LISTEN%' AND datname = current_database()"
            )
        )
    assert [job.job_id for job in (await asyncio.wait_for(asked, 30)).jobs] == [job_id]


async def test_what_was_told_of_a_class_that_a_sweep_was_just_bringing_is_not_forgotten(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    """The sweep read how many jobs there were before the one came of which the notice tells."""
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    await submit(2)
    assert len((await matcher.match(a_pilot(), a_request(wait_s=10))).jobs) == 1
    [known] = matcher.index.entries()
    matcher.index.retire(known.class_id)
    matcher.freshness._hear(str(known.class_id))
    [brought] = matcher.index.add({known.class_id: known.document})
    matcher.index.deactivate(brought)
    assert len((await matcher.match(a_pilot("b" * 32), a_request(wait_s=10))).jobs) == 1


async def test_a_sweep_that_saw_the_last_job_before_it_went_wakes_nobody(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    [entry] = matcher.index.entries()
    heard = matcher.freshness.heard
    await submit(1, a_class({"tags": "nowhere"}))
    while matcher.freshness.heard == heard:  # a notice that came later would bring the class before the sweep does
        await asyncio.sleep(0.01)
    await matcher.freshness.classes.seen()
    matcher.index.retire(2)  # the sweep reads it anew, and is held up there
    told: list[list[int]] = []
    matcher.freshness._on_news = lambda entries: told.append([entry.class_id for entry in entries])
    async with db.transaction() as tx:
        await tx.execute(text("SELECT FROM requirement_class FOR UPDATE"))
        await tx.execute(text("LOCK TABLE requirement_class IN ACCESS EXCLUSIVE MODE"))
        sweep = asyncio.create_task(matcher.freshness.queue.seen())
        while not await _waiting_for_locks(db):
            await asyncio.sleep(0.01)
        assert len((await matcher.match(a_pilot(), a_request())).jobs) == 1
        assert not matcher.index.is_active(entry)
    await sweep
    assert told == [[2]]
    assert matcher.index.is_active(entry)
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    assert not matcher.index.is_active(entry)


async def _waiting_for_locks(db: Database) -> int:
    async with db.read() as tx:
        found = await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        return int(found.scalar_one())


async def test_a_class_that_drains_while_a_job_enters_stays_active(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    """The trap of one statement: its view is older than its lock. Ours looks again once it holds the class."""
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    for round_ in range(20):
        [job_id] = await submit(1)
        answer = await matcher.match(a_pilot(f"{round_:032x}"), a_request(wait_s=10))
        assert [job.job_id for job in answer.jobs] == [job_id]

        async def drain() -> None:
            async with db.transaction() as tx:
                await service.deactivate_drained(tx)

        _, entered = await asyncio.gather(drain(), submit(1))
        async with db.read() as tx:
            assert await _active(tx) == [True]
        answer = await matcher.match(a_pilot(f"{100 + round_:032x}"), a_request(wait_s=10))
        assert [job.job_id for job in answer.jobs] == entered


async def _active(tx: Tx) -> list[bool]:
    return list((await tx.execute(text("SELECT active FROM requirement_class"))).scalars())


async def test_a_snapshot_that_is_held_open_makes_no_pop_read_what_was_popped_before(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    """A backup keeps every dead row and index entry; a pop begins behind the last one and does not walk over them."""
    await submit(JOBS + 5, a_class())
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    async with db.transaction() as backup:
        await backup.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        await backup.execute(text("SELECT count(*) FROM queue"))
        for number in range(JOBS // 100):
            answer = await matcher.match(a_pilot(f"{number:032x}"), a_request(count=100))
            assert len(answer.jobs) == 100
        [entry] = matcher.index.entries()
        assert entry.floor == answer.jobs[-1].job_id
        async with db.transaction() as tx:
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
            await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
            behind, from_the_start = await _pages(tx, entry.floor), await _pages(tx, 0)
    assert behind <= 12
    assert from_the_start > 3 * behind


async def _pages(tx: Tx, floor: int) -> int:
    plan: Any = (
        await tx.execute(
            text(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT job_id FROM queue WHERE class_id ="
                " (SELECT class_id FROM requirement_class) AND job_id >= :floor ORDER BY job_id LIMIT 1"
            ),
            {"floor": floor},
        )
    ).scalar_one()
    found = json.loads(plan) if isinstance(plan, str) else plan
    node = found[0]["Plan"]
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])
