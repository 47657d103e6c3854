"""What a claim costs the database, and what questions that are asked twice at once get."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import insert, text, update
from tests.matcher.conftest import StartMatcher, Submit, a_pilot, a_request, hung_up, parked
from tests.matcher.factories import a_class

from weyl.jobs.tables import job_descriptions, jobs
from weyl.kit.db import Database
from weyl.matcher.models import MatchAnswer
from weyl.matcher.queries import claims as queries
from weyl.matcher.service.matcher import Matcher

QUIET_S = 600.0
SMALL = a_class({"cpu": {"num_cores": {"min": 1, "max": 2}}})
NOBODY = ("stamps", "sites", "ces", "allocations", "requests", "kept", "met")


@asynccontextmanager
async def about_to_take(job_id: int, db: Database, matcher: Matcher) -> AsyncIterator[asyncio.Task[MatchAnswer]]:
    """Have a pilot's batch wait for the only job, on which somebody else's hand is until the block ends."""
    [entry] = matcher.index.entries()
    async with db.transaction() as kill:
        await kill.execute(text("SELECT FROM jobs WHERE job_id = :id FOR UPDATE"), {"id": job_id})
        answer = asyncio.create_task(matcher.match(a_pilot(), a_request()))
        while not entry.under_way:
            await asyncio.sleep(0)
        yield answer


async def test_a_job_that_runs_a_workflow_is_told_which(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    document = {"Workflow": {"Bundle": "ab", "Fragment": "main"}, "JobName": "%j", "InputSandbox": "%(InputSandbox)s"}
    await submit(2, document=document)
    await submit(1)
    async with db.transaction() as tx:
        await tx.execute(text("""UPDATE jobs SET parameters = '{"InputSandbox": ["SB:a"]}'"""))
    matcher = await start_matcher()
    for _ in range(2):
        [job] = (await matcher.match(a_pilot(), a_request())).jobs
        assert job.work["workflow"] == {"bundle": "ab", "fragment": "main"}
        assert (job.work["job_name"], job.work["input_sandbox"]) == ("%j", ["SB:a"])
    [job] = (await matcher.match(a_pilot(), a_request())).jobs
    assert job.work["workflow"] is None


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


async def test_a_match_is_one_statement_also_of_a_job_whose_description_was_never_met(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    jobs = [*await submit(1, executable="a"), *await submit(1, executable="b"), *await submit(1, executable="c")]
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE jobs SET description_id = (SELECT min(description_id) FROM job_descriptions) WHERE job_id = :id"
            ),
            {"id": jobs[2]},
        )
    matcher = await start_matcher(pool=db, sweep_every_s=QUIET_S)
    ran = []
    for wanted in (1, 2):
        with db.count_statements() as count:
            answer = await matcher.match(a_pilot(), a_request(count=wanted))
        assert len(count) == 1, count.statements
        ran += [(job.job_id, job.work["executable"]) for job in answer.jobs]
    assert ran == list(zip(jobs, ["a", "b", "a"], strict=True))


async def test_a_class_that_is_empty_is_not_looked_into_to_know_it(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    first, second = await submit(2)
    matcher = await start_matcher(pool=db, sweep_every_s=QUIET_S)
    [entry] = matcher.index.entries()
    assert [job.job_id for job in (await matcher.match(a_pilot(), a_request())).jobs] == [first]
    assert (entry.waiting, matcher.index.is_active(entry)) == (1, True)
    assert [job.job_id for job in (await matcher.match(a_pilot(), a_request())).jobs] == [second]
    with db.count_statements() as count:
        answer = await matcher.match(a_pilot(), a_request())
    assert answer.miss is not None
    assert (answer.miss.condition, len(count)) == ("queue", 0)
    [third] = await submit(1)
    assert [job.job_id for job in (await matcher.match(a_pilot(), a_request(wait_s=10))).jobs] == [third]


async def test_a_job_that_another_batch_is_about_to_take_is_not_asked_for_again(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    """The first batch waits for a kill that is under way; the second one takes what the first cannot get."""
    [held] = await submit(1)
    matcher = await start_matcher(pool=db, sweep_every_s=QUIET_S)
    [entry] = matcher.index.entries()
    async with about_to_take(held, db, matcher) as first:
        with db.count_statements() as count:
            answer = await matcher.match(a_pilot("b" * 32), a_request())
        assert answer.miss is not None
        assert (answer.miss.condition, len(count)) == ("busy", 0)
        await matcher.freshness.queue.seen()  # the job that is about to go is counted still
        assert entry.waiting == 2
    assert [job.job_id for job in (await first).jobs] == [held]
    assert (entry.waiting, entry.under_way) == (1, 0)
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    assert not matcher.index.is_active(entry)


async def test_who_comes_after_the_last_job_is_not_told_that_it_does_not_fit(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    answers = await asyncio.gather(*(matcher.match(a_pilot(f"{number:032x}"), a_request()) for number in range(6)))
    misses = {answer.miss.condition for answer in answers if answer.miss is not None}
    assert sum(len(answer.jobs) for answer in answers) == 1
    assert misses <= {"queue", "busy"}


async def test_who_waits_is_told_when_another_batch_fails_to_take_the_job(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    [job_id] = await submit(1)
    matcher = await start_matcher(lock_timeout_s=0.5, sweep_every_s=QUIET_S)
    async with about_to_take(job_id, db, matcher) as first:
        second = asyncio.create_task(matcher.match(a_pilot("b" * 32), a_request(wait_s=30)))
        await parked(matcher)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await first
    assert [job.job_id for job in (await asyncio.wait_for(second, 10)).jobs] == [job_id]


async def test_a_job_that_waits_in_two_classes_is_given_to_one_who_asks_for_two(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    [job_id] = await submit(1)
    [other] = await submit(1, SMALL)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET class_ids = '{1,2}' WHERE job_id = :id"), {"id": job_id})
        await tx.execute(text("DELETE FROM jobs WHERE job_id = :id"), {"id": other})
        await tx.execute(text("UPDATE queue SET job_id = :id"), {"id": job_id})
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    answer = await matcher.match(a_pilot(), a_request(count=2))
    assert [job.job_id for job in answer.jobs] == [job_id]


async def test_a_description_that_cannot_be_read_costs_no_other_job_its_match(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    bad, *good = await submit(3)
    async with db.transaction() as tx:
        unreadable = await tx.execute(
            insert(job_descriptions)
            .values(jdl="", document={"Executable": ["a", "b"]})
            .returning(job_descriptions.c.description_id)
        )
        await tx.execute(update(jobs).where(jobs.c.job_id == bad).values(description_id=unreadable.scalar_one()))
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(), a_request(count=3, request_id="once"))
    assert [job.job_id for job in answer.jobs] == good
    again = await (await start_matcher()).match(a_pilot(), a_request(count=3, request_id="once"))
    assert [job.job_id for job in again.jobs] == good


async def test_a_description_is_sent_once_in_a_claim_and_remembered_for_each_class(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(2)
    await submit(2, SMALL)
    now = datetime.now(UTC)
    want = {"class_ids": [1, 2], "counts": [1, 1], "floors": [0, 0]}
    slots: dict[str, list[object]] = {"slot_classes": [1, 2], "slot_ranks": [1, 1], "requests": [None] * 2}
    slots |= {"stamps": ["s", "s"], "sites": ["x", "x"], "ces": ["", ""], "allocations": ["{}", "{}"]}
    slots |= {"kept": [None] * 2, "met": [0, 0]}
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET description_id = (SELECT min(description_id) FROM job_descriptions)"))
        rows = await queries.claim(tx, want=want, slots=slots, now=now, began=now, epoch=0)
    assert [row.document is None for row in rows] == [False, True]
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    answer = await matcher.match(a_pilot(), a_request(count=2))
    assert [job.work["executable"] for job in answer.jobs] == ["true", "true"]
    assert set(matcher._claims._met) == {1, 2}


async def test_jobs_beyond_those_believed_to_wait_are_found(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    jobs = await submit(3)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    [entry] = matcher.index.entries()
    entry.waiting = 0
    got = [(await matcher.match(a_pilot(), a_request())).jobs[0].job_id]
    assert (entry.waiting, matcher.index.is_active(entry)) == (None, True)
    entry.waiting = 1
    got.append((await matcher.match(a_pilot(), a_request())).jobs[0].job_id)
    assert not matcher.index.is_active(entry)
    await matcher.freshness.queue.seen()
    got.append((await matcher.match(a_pilot(), a_request())).jobs[0].job_id)
    assert got == jobs


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
