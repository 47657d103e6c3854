"""Pilots that find nothing throttle themselves: the rules, and what the registry says of the last pilots."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.pilots.test_pure import KEY, class_of, config_of, site

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.pilots.need import Means, QueueKey, Target, demands, targets, template
from weyl.pilots.queries.records import select_records
from weyl.pilots.throttle import Record, throttled
from weyl.resource_status.claims import NO_CLAIMS

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def test_a_queue_without_a_past_gets_what_it_needs() -> None:
    assert throttled(100, Record(), waiting=0, now=NOW) == (100, None)
    # Ten are needed to say anything: one empty pilot is an accident.
    assert throttled(9, Record(ended=4, hits=0, empty_in_a_row=4), waiting=0, now=NOW) == (9, None)


def test_few_hits_cut_the_need() -> None:
    allowed, reason = throttled(40, Record(ended=50, hits=15, empty_in_a_row=2), waiting=0, now=NOW)
    assert (allowed, reason) == (12, "Only 15 of the last 50 pilots found a job")
    assert throttled(40, Record(ended=50, hits=25, empty_in_a_row=2), waiting=0, now=NOW) == (40, None)


@pytest.mark.parametrize(("empty", "minutes"), [(5, 10), (6, 20), (7, 40), (8, 60), (9, 60), (50, 60)])
def test_after_five_empty_ones_one_at_a_time_is_tried_at_longer_and_longer_intervals(empty: int, minutes: int) -> None:
    def allowed(sent_at: datetime | None, waiting: int = 0) -> int:
        record = Record(ended=50, hits=20, empty_in_a_row=empty, last_sent_at=sent_at)
        count, reason = throttled(40, record, waiting=waiting, now=NOW)
        assert reason == f"The last {empty} pilots found no job: one every {minutes} min to try"
        return count

    assert allowed(ago(minutes=minutes - 1)) == 0
    assert allowed(ago(minutes=minutes)) == 1
    assert allowed(ago(minutes=minutes), waiting=1) == 0
    assert allowed(None) == 1


def test_a_hit_ends_the_probing() -> None:
    record = Record(ended=6, hits=1, empty_in_a_row=0, last_sent_at=ago(seconds=1))
    assert throttled(40, record, waiting=0, now=NOW) == (40, None)


def test_nothing_more_is_sent_into_a_storm_of_pilots_that_do_not_start() -> None:
    storm = Record(started=10, waiting_before=50)
    assert throttled(9, storm, waiting=51, now=NOW) == (
        0,
        "51 pilots wait to start, 10 have started in the last hour: no more for now",
    )
    assert throttled(9, storm, waiting=50, now=NOW) == (9, None)  # it does not grow
    assert throttled(9, Record(started=30, waiting_before=50), waiting=51, now=NOW) == (9, None)
    assert throttled(9, Record(), waiting=19, now=NOW) == (9, None)


def two_places(seen: dict[QueueKey, Any] | None = None) -> list[Target]:
    config = config_of({"A": site(), "B": site()})
    return targets(config, "voa", means=Means(["local"]), seen=seen or {}, claims=NO_CLAIMS, now=NOW)


def test_a_class_is_shared_as_queues_have_started_pilots_of_late() -> None:
    records = {KEY: Record(started=8), KEY._replace(site="B"): Record(started=2)}
    assert demands({1: 48}, {1: class_of()}, two_places(), records) == {KEY: 9.0, KEY._replace(site="B"): 3.0}
    # Where pilots come back empty the jobs are not waited for.
    records[KEY] = Record(started=8, ended=50, hits=0, empty_in_a_row=50)
    found = demands({1: 48}, {1: class_of()}, two_places(), records)
    assert found[KEY] < 1 < found[KEY._replace(site="B")]


def test_what_the_last_pilots_could_not_do_counts_no_more_in_their_queue() -> None:
    wanting = {1: class_of(tags="os:el9"), 2: class_of()}
    # One node had the tag once, so the template has it; the pilots since then have not.
    first = template(two_places()[0].queue, [])
    some = [first.model_copy(update={"tags": ("os:el9",)}), first]
    none = [first]
    blamed = Record(ended=20, hits=9, misses=10, miss="tags", miss_count=9)
    assert demands({1: 8}, wanting, two_places({KEY: some}), {KEY: blamed})[KEY] > 0
    assert demands({1: 8}, wanting, two_places({KEY: none}), {KEY: blamed})[KEY] == 0
    assert blamed.blamed == "tags"
    assert throttled(10, blamed, waiting=0, now=NOW)[1] == (
        "Only 9 of the last 20 pilots found a job, nearly all for lack of what jobs want in `tags`"
    )
    assert Record(misses=10, miss="tags", miss_count=8).blamed is None
    assert Record(misses=4, miss="tags", miss_count=4).blamed is None


# -- what the registry says -------------------------------------------------------------------------------------------


async def add(db: Database, endings: Sequence[tuple[str, str, int]], *, origin: str = "submitted") -> None:
    """Register pilots that have ended one after the other: (status, reason, jobs)."""
    async with db.transaction() as tx:
        for number, (status, reason, jobs) in enumerate(endings):
            stamp = f"{origin[0]}{number:031}"
            await tx.execute(
                text(
                    "INSERT INTO pilots (pilot_stamp, vo, grid_site, destination_site, queue, submission_time,"
                    " last_update_time, status, status_reason, origin, handle, spoke_at, ended_at) VALUES (:stamp,"
                    " 'voa', 'A', 'ce', 'q', :at, :at, :status, :reason, :origin, 'h', :at, :ended)"
                ),
                {
                    "stamp": stamp,
                    "at": utcnow() - timedelta(minutes=90 - number),
                    "status": status,
                    "reason": reason,
                    "origin": origin,
                    "ended": None if status == "Running" else utcnow() - timedelta(minutes=50 - number),
                },
            )
            for job_id in range(jobs):
                await tx.execute(text("INSERT INTO job_pilots VALUES (:job, :stamp)"), {"job": job_id, "stamp": stamp})


async def record(db: Database) -> Any:
    async with db.read() as tx:
        [row] = await select_records(tx, now=utcnow())
    return row


def empty(miss: str) -> tuple[str, str, int]:
    return ("Done", f"no job in 10 requests, the last for `{miss}`; 0 jobs", 0)


async def test_pilots_are_judged_by_what_they_found(db: Database) -> None:
    hit = ("Done", "no job in 10 requests, the last for `tags`; 3 jobs", 3)
    await add(db, [empty("ram"), hit, empty("tags"), empty("tags"), ("Failed", "lost", 0), ("Running", "", 0)])
    found = await record(db)
    assert (found.ended, found.hits, found.empty_in_a_row) == (5, 1, 3)
    assert (found.misses, found.miss, found.miss_count) == (3, "tags", 2)
    assert found.started == 0


async def test_pilots_that_nothing_waited_for_any_more_say_nothing_about_their_queue(db: Database) -> None:
    idle = ("Done", "no job in 1200 s, the last for `vo`; 0 jobs", 0)
    await add(db, [empty("tags"), *[idle] * 6, empty("queue"), ("Deleted", "x", 0), ("Done", "no more work", 0)])
    found = await record(db)
    assert (found.ended, found.hits, found.empty_in_a_row) == (1, 0, 1)
    assert found.last_sent_at is not None


async def test_pilots_that_came_by_themselves_are_not_ours_to_throttle(db: Database) -> None:
    await add(db, [empty("tags")] * 6, origin="vacuum")
    async with db.read() as tx:
        assert await select_records(tx, now=utcnow()) == []
