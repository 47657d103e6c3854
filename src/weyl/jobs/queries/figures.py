"""SQL of what operators see of jobs: the counters, and nothing that grows with the jobs."""

import sqlalchemy as sa

from weyl.jobs.tables import job_count_deltas, job_counts
from weyl.kit.db import Tx


async def select_jobs_by_status(tx: Tx) -> list[tuple[str, str, int]]:
    """Return VO, status and number of jobs, of all VOs."""
    folded = sa.select(job_counts.c.vo, job_counts.c.status, job_counts.c.count.label("jobs"))
    fresh = sa.select(job_count_deltas.c.vo, job_count_deltas.c.status, job_count_deltas.c.delta.label("jobs"))
    counters = sa.union_all(folded, fresh).subquery()
    total = sa.func.sum(counters.c.jobs)
    rows = await tx.execute(
        sa.select(counters.c.vo, counters.c.status, sa.cast(total, sa.BigInteger))
        .group_by(counters.c.vo, counters.c.status)
        .having(total > 0)
    )
    return [(vo, status, jobs) for vo, status, jobs in rows]
