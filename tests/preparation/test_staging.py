"""Input data on tape: one request a set of files, its end, and what becomes of the jobs when a stager fails."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.preparation.grids import ALPHA, BETA, DOWN, PLAIN, Tapes, grid

from weyl.file_catalog.drivers.static import StaticCatalog
from weyl.jobs.ranges import to_ranges
from weyl.jobs.tables import job_holds, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.additions import PreparationRules
from weyl.preparation.queries import delete_old
from weyl.preparation.service.checks import check_jobs
from weyl.preparation.service.staging import LOST_AFTER, hand_out_again, stage, staged
from weyl.preparation.tables import stage_requests
from weyl.task_queues.tables import queue, requirement_class

Flow = Callable[..., Awaitable[list[int]]]
CONFIG = grid(Stager="tapes", StagedFor=3_600)
ON_TAPE = PLAIN + 'InputData = "/voa/tape";'
PART = PLAIN + 'InputData = {"/voa/tape", "/voa/both", "LFN:/voa/tape2"};'


class World:
    """A worker with one stager, and a look at what it leaves in the database."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.tapes = Tapes()
        self.rules = PreparationRules(catalogs={"static": StaticCatalog()}, stagers={"tapes": self.tapes})

    async def check(self, job_ids: list[int], now: datetime | None = None) -> None:
        """Check jobs."""
        at = now or utcnow()
        await check_jobs(self.db, to_ranges(sorted(job_ids)), config=CONFIG, now=at, rules=self.rules)

    async def stage(self, now: datetime | None = None) -> None:
        """Do what the task does for every request that no stager has."""
        async with self.db.read() as tx:
            wanted = sa.select(stage_requests.c.request_id).where(stage_requests.c.state == "wanted")
            request_ids = list((await tx.execute(wanted)).scalars())
        await stage(self.db, self.rules.stagers, request_ids, config=CONFIG, now=now or utcnow())

    async def end(self, request_ids: list[int], problem: str | None = None, now: datetime | None = None) -> None:
        """Do what a stager does in the end."""
        async with self.db.transaction() as tx:
            await staged(tx, request_ids, now=now or utcnow(), problem=problem)

    async def jobs(self) -> dict[int, tuple[str, str]]:
        """Return the statuses of all jobs."""
        async with self.db.read() as tx:
            rows = await tx.execute(sa.select(jobs.c.job_id, jobs.c.status, jobs.c.minor_status))
            return {row.job_id: (row.status, row.minor_status) for row in rows}

    async def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """Return a table."""
        async with self.db.read() as tx:
            return [dict(row) for row in (await tx.execute(sa.select(table))).mappings()]

    async def sites(self) -> list[list[str]]:
        """Return the sites of waiting jobs."""
        wanted = sa.select(requirement_class.c.document).join(queue, queue.c.class_id == requirement_class.c.class_id)
        async with self.db.read() as tx:
            return [document["sites"] for document in (await tx.execute(wanted.order_by(queue.c.job_id))).scalars()]


@pytest.fixture
def world(db: Database) -> World:
    """Return a worker's view of the test's database."""
    return World(db)


async def test_jobs_with_files_on_tape_share_a_request_and_go_on_when_it_ends(world: World, submitted: Flow) -> None:
    one, two, part, elsewhere = await submitted(
        ON_TAPE, ON_TAPE + 'JobName = "b";', PART, PLAIN + 'InputData = "/voa/beta-tape";'
    )
    await world.check([one, two, part, elsewhere])
    assert set((await world.jobs()).values()) == {("Staging", "Staging Input Data")}
    await world.stage()
    asked = {request.files: number for number, request in world.tapes.requests.items()}
    single, beta = (("/voa/tape", "ALPHA-TAPE"),), (("/voa/beta-tape", "BETA-TAPE"),)
    assert set(asked) == {single, (*single, ("/voa/tape2", "ALPHA-TAPE")), beta}
    await world.end([asked[single], 999_999])
    found = await world.jobs()
    assert found[one] == found[two] == ("Checking", "Input Data Resolution")
    assert found[part][0] == found[elsewhere][0] == "Staging"
    # a second word of the same end, and a check that comes twice, change nothing
    await world.end([asked[single]])
    for _ in range(2):
        await world.check([one, two, part, elsewhere])
    assert (await world.jobs())[two] == ("Waiting", "Pilot Agent Submission")
    assert await world.sites() == [[ALPHA], [ALPHA]]
    await world.end([asked[beta], asked[*single, ("/voa/tape2", "ALPHA-TAPE")]])
    await world.check([part, elsewhere])
    assert await world.sites() == [[ALPHA], [ALPHA], [ALPHA], [BETA]]
    assert await world.rows(job_holds) == []


async def test_what_was_staged_a_short_while_ago_is_not_staged_again(world: World, submitted: Flow) -> None:
    first, second, third = await submitted(ON_TAPE, ON_TAPE, ON_TAPE)
    now = utcnow()
    await world.check([first])
    await world.stage()
    await world.end(list(world.tapes.requests), now=now)
    await world.check([first, second])
    assert {status for status, _ in (await world.jobs()).values()} == {"Waiting", "Received"}
    world.tapes.requests.clear()
    await world.check([third], now + timedelta(seconds=3_601))
    await world.stage()
    assert [request.files for request in world.tapes.requests.values()] == [(("/voa/tape", "ALPHA-TAPE"),)]


async def test_a_stager_that_is_down_holds_the_jobs_for_longer_and_longer(world: World, submitted: Flow) -> None:
    [job_id] = await submitted(ON_TAPE)
    world.tapes.fault = DOWN
    now, waits = utcnow(), []
    for _ in range(3):
        await world.check([job_id], now)
        await world.stage(now)
        assert await world.jobs() == {job_id: ("Checking", "On Hold: The stager cannot be reached")}
        [hold] = await world.rows(job_holds)
        assert hold["text"] == "The stager cannot be reached: the robot is being repaired"
        waits.append((hold["hold_until"] - now).total_seconds())
        now = hold["hold_until"]
    assert waits == [60, 120, 240]
    assert await world.rows(stage_requests) == []
    world.tapes.fault = None
    await world.check([job_id], now)
    await world.stage(now)
    await world.end(list(world.tapes.requests))
    await world.check([job_id])
    assert await world.sites() == [[ALPHA]]


async def test_files_that_do_not_come_from_tape_are_looked_for_again_later(world: World, submitted: Flow) -> None:
    [job_id] = await submitted(ON_TAPE)
    await world.check([job_id])
    await world.stage()
    now = utcnow()
    await world.end(list(world.tapes.requests), problem="cartridge 7 is broken", now=now)
    [hold] = await world.rows(job_holds)
    assert (hold["reason"], hold["text"]) == (
        "replicas_unavailable",
        "Files did not come from tape: cartridge 7 is broken",
    )
    assert hold["hold_until"] == now + timedelta(seconds=600)
    assert await world.rows(stage_requests) == []


async def test_a_request_whose_worker_died_is_handed_out_again(world: World, submitted: Flow) -> None:
    [job_id, killed] = await submitted(ON_TAPE, ON_TAPE)
    now = utcnow()
    await world.check([job_id, killed])
    async with world.db.transaction() as tx:
        await tx.execute(sa.text("DELETE FROM pgqueuer"))
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == killed).values(status="Killed"))
        await hand_out_again(tx, now)
        assert await tx.scalar(sa.text("SELECT count(*) FROM pgqueuer")) == 0
        for _ in range(2):
            await hand_out_again(tx, now + 2 * LOST_AFTER)
        assert await tx.scalar(sa.text("SELECT count(*) FROM pgqueuer")) == 1
    # the stager hears of it twice, by the same number
    for _ in range(2):
        await stage(world.db, world.rules.stagers, [1], config=CONFIG, now=now)
    [number] = world.tapes.requests
    await world.end([number])
    assert await world.jobs() == {
        job_id: ("Checking", "Input Data Resolution"),
        killed: ("Killed", "Staging Input Data"),
    }
    async with world.db.transaction() as tx:
        await delete_old(tx, now + timedelta(days=91))
    # the killed job's hold is still there; without it nobody waits for the request
    assert len(await world.rows(stage_requests)) == 1
