"""The figures of jobs for operators."""

from weyl.jobs.queries.figures import select_jobs_by_status
from weyl.kit.db import Tx
from weyl.kit.metrics import Figure


async def figures(tx: Tx) -> list[Figure]:
    """Return the jobs by VO and status."""
    rows = [((vo, status), float(jobs)) for vo, status, jobs in await select_jobs_by_status(tx)]
    return [Figure("weyl_jobs", "Jobs, by VO and status.", ("vo", "status"), rows)]
