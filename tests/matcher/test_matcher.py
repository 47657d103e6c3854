"""The matcher on a real database: what pilots get, what they are told, and what stays right when processes compete."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from tests.matcher.conftest import ALPHA, OFFER, StartMatcher, Submit, a_pilot, a_request, hung_up, parked
from tests.matcher.factories import a_class

from weyl.kit.db import Database
from weyl.kit.http import User
from weyl.matcher.errors import JobNotBound, PlaceForbidden
from weyl.matcher.models import Offer
from weyl.matcher.offers import Place
from weyl.matcher.policy import may_match_here
from weyl.task_queues import service as task_queues
from weyl.task_queues.queries import classes as queries

QUIET_S = 600.0


async def rows(db: Database, statement: str, **values: Any) -> list[Any]:
    async with db.read() as tx:
        return list((await tx.execute(text(statement), values)).all())


async def test_a_pilot_gets_the_oldest_job_with_all_that_its_wrapper_needs(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    job_ids = await submit(2)
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(), a_request())
    [job] = answer.jobs
    assert job.job_id == job_ids[0]
    assert job.allocated.model_dump() == {"cores": 1, "ram_mb": None, "gpus": 0, "scratch_mb": 0}
    assert job.limits.wall_s == 86_400
    assert job.work["executable"] == "true"
    assert (job.work["owner"], job.work["owner_group"], job.work["vo"]) == ("alice", "user", "voa")
    assert job.token
    assert answer.classes[job.class_id]["job_type"] == "User"
    assert (answer.miss, answer.action) == (None, "continue")


async def test_a_job_of_a_parametric_submission_is_matched_with_its_values(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    [job_id] = await submit(1)
    async with db.transaction() as tx:
        await tx.execute(text("""UPDATE jobs SET parameters = '{"": "7"}'"""))
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(), a_request())
    assert [job.job_id for job in answer.jobs] == [job_id]


async def test_a_match_writes_the_job_its_history_its_pilot_and_the_count(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    first, second = await submit(2)
    matcher = await start_matcher()
    await matcher.match(a_pilot(), a_request())
    [job] = await rows(
        db,
        "SELECT status, minor_status, site, pilot_stamp, allocated ->> 'cores' FROM jobs WHERE job_id = :id",
        id=first,
    )
    assert tuple(job) == ("Matched", "Assigned", "LCG.Alpha.org", "a" * 32, "1")
    assert [tuple(row) for row in await rows(db, "SELECT job_id, status, minor_status, source FROM job_history")] == [
        (first, "Matched", "Assigned", "Matcher")
    ]
    assert [tuple(row) for row in await rows(db, "SELECT job_id, pilot_stamp FROM job_pilots")] == [(first, "a" * 32)]
    assert [tuple(row) for row in await rows(db, "SELECT job_id FROM queue")] == [(second,)]
    async with db.read() as tx:
        assert list((await queries.select_waiting(tx)).values()) == [1]


async def test_a_miss_names_the_condition_and_when_to_come_back(submit: Submit, start_matcher: StartMatcher) -> None:
    matcher = await start_matcher()
    empty = (await matcher.match(a_pilot(), a_request())).miss
    assert empty is not None
    assert empty.condition == "queue"
    await submit(1, a_class({"tags": "cvmfs:lhcb.cern.ch"}))
    await matcher.freshness.queue.seen()
    unfit = (await matcher.match(a_pilot(), a_request())).miss
    assert unfit is not None
    assert (unfit.condition, unfit.retry_after_s) == ("tags", 30)


async def test_a_job_that_was_killed_is_never_matched(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    killed, alive = await submit(2)
    matcher = await start_matcher()
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Killed' WHERE job_id = :id"), {"id": killed})
    answer = await matcher.match(a_pilot(), a_request())
    assert [job.job_id for job in answer.jobs] == [alive]
    assert await rows(db, "SELECT * FROM queue") == []
    assert [row.status for row in await rows(db, "SELECT status FROM jobs WHERE job_id = :id", id=killed)] == ["Killed"]


async def test_a_job_that_waits_in_another_class_now_is_not_given_by_the_old_one(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET class_ids = '{77}'"))
    matcher = await start_matcher()
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    assert [row.status for row in await rows(db, "SELECT status FROM jobs")] == ["Waiting"]


async def test_jobs_of_another_vo_and_another_site_are_out_of_reach(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1, a_class(vo="vob"))
    await submit(1, a_class(sites=["LCG.Beta.org"]))
    matcher = await start_matcher()
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    beta = Place("voa", "LCG.Beta.org", "ce.beta.org", "default")
    assert len((await matcher.match(a_pilot(place=beta), a_request(count=5))).jobs) == 1


async def test_a_site_that_is_not_configured_gets_test_jobs_only(submit: Submit, start_matcher: StartMatcher) -> None:
    await submit(1)
    await submit(1, a_class(job_type="Test"))
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(place=Place("voa", "LCG.Gone.org")), a_request(count=2))
    assert [answer.classes[job.class_id]["job_type"] for job in answer.jobs] == ["Test"]
    again = await matcher.match(a_pilot(place=Place("voa", "LCG.Gone.org")), a_request())
    assert again.miss is not None
    assert (again.miss.condition, again.miss.retry_after_s) == ("site_status", 60)


async def test_filling_places_jobs_side_by_side_and_serial_ones_over_each_other(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    three_cores = a_class({"cpu": {"num_cores": {"min": 3, "max": 3}}})
    await submit(10, three_cores)
    matcher = await start_matcher()
    side_by_side = await matcher.match(a_pilot("b" * 32), a_request(count=5, fill=True))
    assert len(side_by_side.jobs) == 2
    serial = await matcher.match(a_pilot("c" * 32), a_request(count=5))
    assert len(serial.jobs) == 5
    assert all(job.token for job in side_by_side.jobs)
    assert not any(job.token for job in serial.jobs)
    assert (await matcher.job_token(a_pilot("c" * 32), serial.jobs[0].job_id)).access_token
    with pytest.raises(JobNotBound):
        await matcher.job_token(a_pilot("b" * 32), serial.jobs[0].job_id)
    with pytest.raises(JobNotBound):
        await matcher.job_token(a_pilot("c" * 32, Place("vob", ALPHA.site)), serial.jobs[0].job_id)


async def test_a_repeated_request_gets_the_same_jobs_also_from_another_process(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(3)
    first, second = await start_matcher(), await start_matcher()
    request = a_request(request_id="r1", count=2)
    both = await asyncio.gather(first.match(a_pilot(), request), first.match(a_pilot(), request))
    elsewhere = await second.match(a_pilot(), request)
    job_ids = [job.job_id for job in both[0].jobs]
    assert [job.job_id for job in both[1].jobs] == [job.job_id for job in elsewhere.jobs] == job_ids
    assert elsewhere.jobs[0].model_dump(exclude={"token"}) == both[0].jobs[0].model_dump(exclude={"token"})
    assert elsewhere.classes == both[0].classes
    assert len(await rows(db, "SELECT * FROM jobs WHERE status = 'Matched'")) == 2
    other_pilot = await second.match(a_pilot("d" * 32), request)
    assert len(other_pilot.jobs) == 1


async def test_what_a_later_round_cannot_get_does_not_cost_what_an_earlier_one_got(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    first, killed = await submit(2)
    [locked] = await submit(1, a_class({"cpu": {"num_cores": {"min": 1, "max": 2}}}))
    matcher = await start_matcher(lock_timeout_s=0.5)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Killed' WHERE job_id = :id"), {"id": killed})
    async with db.transaction() as tx:
        await tx.execute(text("SELECT FROM jobs WHERE job_id = :id FOR UPDATE"), {"id": locked})
        answer = await matcher.match(a_pilot(), a_request(request_id="r1", count=2))
        assert [job.job_id for job in answer.jobs] == [first]
    again = await (await start_matcher()).match(a_pilot(), a_request(request_id="r1", count=2))
    assert [job.job_id for job in again.jobs] == [first]
    later = await matcher.match(a_pilot(), a_request(request_id="r2", count=2))
    assert [job.job_id for job in later.jobs] == [locked]


async def test_what_several_rounds_got_is_kept_together(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    first, killed = await submit(2)
    [other] = await submit(1, a_class({"cpu": {"num_cores": {"min": 1, "max": 2}}}))
    matcher = await start_matcher()
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Killed' WHERE job_id = :id"), {"id": killed})
    answer = await matcher.match(a_pilot(), a_request(request_id="r1", count=2))
    assert [job.job_id for job in answer.jobs] == [first, other]
    again = await (await start_matcher()).match(a_pilot(), a_request(request_id="r1", count=2))
    assert [job.job_id for job in again.jobs] == [first, other]


async def test_a_job_that_moved_on_is_not_handed_out_again(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    first, second = await start_matcher(), await start_matcher()
    await first.match(a_pilot(), a_request(request_id="r1"))
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Running'"))
    again = await second.match(a_pilot(), a_request(request_id="r1"))
    assert again.jobs == []
    assert again.miss is not None


async def test_a_parked_pilot_is_woken_by_a_job_of_a_class_never_seen_before(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    asked = asyncio.create_task(matcher.match(a_pilot(), a_request(wait_s=30)))
    await parked(matcher)
    [job_id] = await submit(1)
    answer = await asyncio.wait_for(asked, 10)
    assert [job.job_id for job in answer.jobs] == [job_id]


async def test_a_parked_pilot_is_woken_by_a_class_that_had_run_dry(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    assert len((await matcher.match(a_pilot(), a_request())).jobs) == 1
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    async with db.transaction() as tx:
        await task_queues.deactivate_drained(tx)
    asked = asyncio.create_task(matcher.match(a_pilot(), a_request(wait_s=30)))
    await parked(matcher)
    [job_id] = await submit(1)
    assert [job.job_id for job in (await asyncio.wait_for(asked, 10)).jobs] == [job_id]


@pytest.mark.parametrize("wait_s", [0, 30])
async def test_a_new_offer_is_known_within_seconds_also_while_its_pilot_is_parked(
    db: Database, start_matcher: StartMatcher, wait_s: int
) -> None:
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    asked = asyncio.create_task(matcher.match(a_pilot(), a_request(wait_s=wait_s)))
    async with asyncio.timeout(10):
        while not (known := await rows(db, "SELECT site, hits + misses FROM offer")):
            await asyncio.sleep(0.05)
    assert known == [(ALPHA.site, 0 if wait_s else 1)]
    matcher.send_away()
    await asked
    await matcher.close()
    assert await rows(db, "SELECT site, hits + misses FROM offer") == [(ALPHA.site, 1)]


async def test_waiting_ends_when_its_time_is_over_or_the_server_stops(start_matcher: StartMatcher) -> None:
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(), a_request(wait_s=0.05))
    assert answer.miss is not None
    assert answer.miss.retry_after_s == 0
    asked = asyncio.create_task(matcher.match(a_pilot(), a_request(wait_s=30)))
    await parked(matcher)
    await matcher.close()
    assert (await asyncio.wait_for(asked, 10)).jobs == []


async def test_a_pilot_that_hung_up_while_parked_gets_no_job(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    matcher = await start_matcher()
    asked = asyncio.create_task(matcher.match(a_pilot(), a_request(wait_s=30, request_id="r"), is_gone=hung_up))
    await parked(matcher)
    await submit(1)
    assert (await asyncio.wait_for(asked, 10)).jobs == []
    assert len(await rows(db, "SELECT * FROM queue")) == 1


async def test_a_sweep_finds_what_no_notice_told_of_and_drops_what_is_gone(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(1)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    [entry] = matcher.index.entries()
    matcher.index.deactivate(entry)
    entry.floor = 10**9
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    await matcher.freshness.queue.seen()
    assert len((await matcher.match(a_pilot(), a_request())).jobs) == 1
    await matcher.freshness.queue.seen()
    assert not matcher.index.is_active(entry)


async def test_a_retried_job_is_found_below_the_last_one_popped(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    old, new = await submit(2)
    matcher = await start_matcher(sweep_every_s=QUIET_S)
    assert len((await matcher.match(a_pilot(), a_request(count=2))).jobs) == 2
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Waiting', pilot_stamp = NULL WHERE job_id = :id"), {"id": old})
        await task_queues.enqueue_jobs(tx, [(old, a_class())])
    answer = await matcher.match(a_pilot(), a_request(wait_s=10))
    assert [job.job_id for job in answer.jobs] == [old]
    assert new > old


async def test_offers_are_counted_without_being_written_on_the_way(
    db: Database, submit: Submit, start_matcher: StartMatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weyl.matcher.service.matcher.NEW_OFFERS_AFTER_S", 600)
    await submit(1)
    matcher = await start_matcher()
    for host in ("wn1", "wn2", "wn3"):
        await matcher.match(a_pilot(), a_request(offer={**OFFER, "host": host}))
    assert await rows(db, "SELECT * FROM offer") == []
    await matcher.close()
    assert [tuple(row) for row in await rows(db, "SELECT vo, site, ce, queue, hits, misses FROM offer")] == [
        ("voa", "LCG.Alpha.org", "ce.alpha.org", "default", 1, 2)
    ]


async def test_a_pilot_that_is_to_drain_gets_no_jobs(submit: Submit, start_matcher: StartMatcher) -> None:
    await submit(1)
    matcher = await start_matcher(advice=lambda stamp: "drain" if stamp == "a" * 32 else "continue")
    answer = await matcher.match(a_pilot(), a_request())
    assert (answer.jobs, answer.action) == ([], "drain")
    assert len((await matcher.match(a_pilot("b" * 32), a_request())).jobs) == 1


async def test_four_processes_give_two_thousand_jobs_out_once_each(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    """Half of the questions are for one job and half for several; some jobs are killed while all this goes on."""
    submitted: list[int] = []
    for number in range(20):
        submitted += await submit(
            100, a_class(owner=f"owner{number % 7}", group=f"group{number % 3}", user_priority=number % 5)
        )
    matchers = [await start_matcher() for _ in range(4)]
    given: list[int] = []

    async def one_pilot(number: int) -> None:
        pilot, matcher = a_pilot(f"{number:032x}"), matchers[number % 4]
        while True:
            answer = await matcher.match(pilot, a_request(count=1 + number % 2 * 6))
            if not answer.jobs and answer.miss and answer.miss.condition == "queue":
                return
            given.extend(job.job_id for job in answer.jobs)

    async def kill_some() -> None:
        victims = submitted[5::40]
        async with db.transaction() as tx:
            await task_queues.remove_jobs(tx, victims)
            await tx.execute(
                text("UPDATE jobs SET status = 'Killed' WHERE job_id = ANY(:ids) AND status IN ('Waiting', 'Matched')"),
                {"ids": victims},
            )

    await asyncio.gather(*(one_pilot(number) for number in range(24)), kill_some())
    assert len(given) == len(set(given))
    matched = {row.job_id for row in await rows(db, "SELECT job_id FROM job_pilots")}
    assert matched == set(given)
    left = await rows(db, "SELECT job_id FROM jobs WHERE status NOT IN ('Matched', 'Killed')")
    assert left == []
    never_given = set(submitted) - set(given)
    killed = {row.job_id for row in await rows(db, "SELECT job_id FROM jobs WHERE status = 'Killed'")}
    assert never_given <= killed
    [history] = await rows(db, "SELECT count(*) AS rows, count(DISTINCT job_id) AS jobs FROM job_history")
    assert history.rows == history.jobs == len(given)
    assert await rows(db, "SELECT * FROM queue") == []
    async with db.read() as tx:
        assert await queries.select_waiting(tx) == {}


def a_token(**changes: Any) -> User:
    values = {"kind": "pilot", "subject": "pilot:x", "vo": "voa", "preferred_username": "x", "group": "",
              "properties": frozenset(), "token_id": "t", "expires_at": 0, "pilot_stamp": "a" * 32,
              "site": ALPHA.site, "ce": ALPHA.ce, "queue": ALPHA.queue}  # fmt: skip
    return User(**{**values, **changes})


@pytest.mark.parametrize("lie", [{"site": "LCG.Beta.org"}, {"vo": "vob"}, {"ce": "ce2"}, {"queue": "long"}])
def test_a_pilot_that_names_another_place_is_refused(lie: dict[str, str]) -> None:
    with pytest.raises(PlaceForbidden):
        may_match_here(a_token(), Offer.model_validate({**OFFER, **lie}))
    assert may_match_here(a_token(), Offer.model_validate({**OFFER, "site": ALPHA.site})).place == ALPHA
