"""Gives up jobs that have waited for longer than their VO wants to wait."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from weyl.config.models import Config
from weyl.jobs.queries.status import lock_jobs
from weyl.jobs.service.moves import move
from weyl.jobs.states import Report
from weyl.kit.bisection import bisect
from weyl.kit.db import Database
from weyl.matcher.queries.looks import select_expired
from weyl.task_queues import service as task_queues

MINOR_EXPIRED = "No match within TTL"
BATCH = 5_000


async def expire(db: Database, config: Config, now: datetime) -> int:
    """Fail the jobs of every VO with a TTL that have waited in vain for longer; returns how many.

    Time counts from when a job began to wait, so that holds, staging and earlier runs cost it nothing.
    """
    expired = 0
    for vo, operations in config.operations.items():
        if operations.matching.ttl is not None:
            before = now - timedelta(seconds=operations.matching.ttl)
            while (found := await _expire_some(db, vo, before, now)) > 0:
                expired += found
    return expired


async def _expire_some(db: Database, vo: str, before: datetime, now: datetime) -> int:
    async def give_up(job_ids: Sequence[int]) -> int:
        async with db.transaction() as tx:
            await task_queues.remove_jobs(tx, job_ids)
            rows = await lock_jobs(tx, job_ids)
            # somebody may have matched or moved one between the look and the lock
            waiting = {job_id: row for job_id, row in rows.items() if row.status == "Waiting"}
            await move(tx, waiting, Report(now, "Failed", MINOR_EXPIRED, source="Matcher"), now=now)
        return len(waiting)

    async with db.read() as tx:
        job_ids = await select_expired(tx, vo, before=before, limit=BATCH)
    return (await bisect(job_ids, give_up, event="matcher.not_expired")).done
