"""The task that checks jobs, and how jobs come to it."""

from collections.abc import Sequence

from weyl.jobs.ranges import batches
from weyl.kit.db import Tx
from weyl.kit.task import Task
from weyl.tasks.service import enqueue

CHECK_JOBS = Task("jobs.check_jobs")
JOBS_PER_CHECK = 10_000


async def check_soon(tx: Tx, job_ids: Sequence[int]) -> None:
    """Let jobs be checked as soon as this transaction has ended."""
    await enqueue(tx, CHECK_JOBS, [{"ranges": ranges} for ranges in batches(job_ids, JOBS_PER_CHECK)])
