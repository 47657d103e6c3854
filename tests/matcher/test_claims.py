"""What a claim costs the database, and what questions that are asked twice at once get."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text
from tests.matcher.conftest import StartMatcher, Submit, a_pilot, a_request, hung_up, parked

from weyl.kit.db import Database
from weyl.matcher import queries

NOBODY = ("stamps", "sites", "ces", "allocations", "requests", "kept")


async def test_a_claim_is_planned_once_however_long_its_batches_are(db: Database) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with db.transaction() as tx:
        # As in a long queue, where a job costs much and another plan next to nothing.
        await tx.execute(text("SET LOCAL random_page_cost = 400"))
        for size in (1, 2, 5, 13, 1, 3, 2, 8, 1, 1, 2, 1, 30, 4):
            numbers = list(range(size))
            want = {"class_ids": numbers, "counts": [1] * size, "floors": [0] * size}
            slots = {"slot_classes": numbers, "slot_ranks": [1] * size, **{name: [None] * size for name in NOBODY}}
            assert not await queries.claim(tx, want=want, slots=slots, now=now, began=now, epoch=0)
        planned = (
            await tx.execute(
                text("SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE 'WITH want%'")
            )
        ).one()
    # PostgreSQL looks at five plans before it keeps one.
    assert tuple(planned) == (5, 9)


async def test_a_question_that_is_repeated_while_it_waits_gets_one_answer(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    matcher = await start_matcher()
    request = a_request(wait_s=30, request_id="r")
    first = asyncio.create_task(matcher.match(a_pilot(), request, is_gone=hung_up))
    await parked(matcher)
    second = asyncio.create_task(matcher.match(a_pilot(), request))
    await asyncio.sleep(0)
    [job_id, _] = await submit(2)
    told = await asyncio.wait_for(asyncio.gather(first, second), 10)
    assert [[job.job_id for job in answer.jobs] for answer in told] == [[job_id]] * 2


async def test_a_repeated_question_that_fails_fails_for_all_and_may_be_asked_again(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    [job_id] = await submit(1)
    matcher = await start_matcher(lock_timeout_s=0.2)
    request = a_request(request_id="r")
    async with db.transaction() as tx:
        await tx.execute(text("SELECT FROM jobs WHERE job_id = :id FOR UPDATE"), {"id": job_id})
        asked = (matcher.match(a_pilot(), request) for _ in range(3))
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(failure).__name__ for failure in failures] == ["LockNotAvailableError"] * 3, failures
    assert [job.job_id for job in (await matcher.match(a_pilot(), request)).jobs] == [job_id]
