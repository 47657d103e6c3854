"""Waiting jobs, and matchers as several server processes would hold them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import insert, text
from tests.infra.app import URL, Installation
from tests.matcher.factories import a_class

from weyl.auth.keys import KeySet
from weyl.config.service import ConfigStore
from weyl.jobs.tables import job_descriptions, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.following import following
from weyl.kit.partitions import ensure_month_partitions
from weyl.matcher.models import MatchRequest
from weyl.matcher.offers import Place
from weyl.matcher.policy import MatchingPilot
from weyl.matcher.service.answers import JobTokens
from weyl.matcher.service.matcher import Matcher
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.requirements import RequirementClass
from weyl.task_queues.service import enqueue_jobs

ALPHA = Place("voa", "LCG.Alpha.org", "ce.alpha.org", "default")
BETA = Place("voa", "LCG.Beta.org", "ce.beta.org", "default")
OFFER = {
    "host": "wn1",
    "wall_time": 86_400,
    "cpu_power_db12": 10.0,
    "cpu": {"num_cores": 8, "ram_mb": 16_384, "architecture": {"name": "x86_64", "features": []}},
    "gpu": {"count": 0},
    "io": {"scratch_mb": 40_960},
    "tags": ["os:el9"],
}

Submit = Callable[..., Awaitable[list[int]]]
StartMatcher = Callable[..., Awaitable[Matcher]]


def a_pilot(stamp: str = "a" * 32, place: Place = ALPHA) -> MatchingPilot:
    """Return a pilot at the first site."""
    return MatchingPilot(stamp, place)


async def hung_up() -> bool:
    """Say of a pilot that it has hung up."""
    return True


async def parked(matcher: Matcher) -> None:
    """Wait until a pilot waits for a job."""
    while not len(matcher.parking):
        await asyncio.sleep(0)


def a_request(**changes: object) -> MatchRequest:
    """Return a question with a plain offer."""
    return MatchRequest.model_validate({"offer": OFFER, **changes})


@pytest.fixture
def submit(db: Database) -> Submit:
    """Return `submit(count, requirement_class)` -> ids of jobs that wait, with one description, committed."""

    async def submit(
        count: int,
        made: RequirementClass | None = None,
        *,
        executable: str = "true",
        document: dict[str, object] | None = None,
    ) -> list[int]:
        wanted = a_class() if made is None else made
        now = utcnow()
        async with db.transaction() as tx:
            await ensure_month_partitions(tx, "job_history", now)
            description = await tx.execute(
                insert(job_descriptions)
                .values(
                    jdl=f'Executable = "{executable}";',
                    document=document or {"Executable": executable, "Arguments": "%n"},
                )
                .returning(job_descriptions.c.description_id)
            )
            common = {
                "owner": wanted.document["owner"],
                "owner_group": wanted.document["group"],
                "vo": wanted.document["vo"],
                "job_type": wanted.document["job_type"],
                "submission_time": now,
                "last_update_time": now,
                "status": "Waiting",
                "description_id": description.scalar_one(),
            }
            rows = await tx.execute(insert(jobs).returning(jobs.c.job_id), [common] * count)
            job_ids = sorted(rows.scalars())
            placed = await enqueue_jobs(tx, [(job_id, wanted) for job_id in job_ids])
            await tx.execute(
                text("UPDATE jobs SET class_ids = :class_ids WHERE job_id = ANY(:job_ids)"),
                {"class_ids": placed[job_ids[0]], "job_ids": job_ids},
            )
        return job_ids

    return submit


@pytest.fixture
def tokens(installation: Installation) -> JobTokens:
    """Signs as the suite's installation does."""
    return JobTokens(KeySet(installation.keys, issuer=URL + "/"), lifetime_s=1200)


@pytest.fixture
async def config(installation: Installation) -> AsyncIterator[ConfigStore]:
    """The suite's configuration."""
    store = ConfigStore(f"git+file://{installation.config_directory}", check_every_s=60)
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def start_matcher(db: Database, config: ConfigStore, tokens: JobTokens) -> AsyncIterator[StartMatcher]:
    """Return a function that starts a matcher with a pool of its own, as one more server process would."""
    async with AsyncExitStack() as stack:

        async def start(*, lock_timeout_s: float = 10, pool: Database | None = None, **options: object) -> Matcher:
            if pool is None:
                pool = Database(db.url, pool_size=2, lock_timeout_s=lock_timeout_s)
                stack.push_async_callback(pool.close)
            board = StatusBoard(pool, config)
            matcher = Matcher(pool, board, tokens=tokens, **options)  # type: ignore[arg-type]
            stack.push_async_callback(matcher.close)
            await stack.enter_async_context(following(board.follower, *matcher.followers))
            return matcher

        yield start
