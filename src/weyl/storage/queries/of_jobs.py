"""SQL of what jobs ask of uploads."""

from collections.abc import Sequence

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_UNDER_WAY = Sql(
    "SELECT DISTINCT job_id FROM uploads WHERE job_id = ANY(:job_ids) AND state IN ('open', 'verifying')",
    int,
)


async def select_jobs_with_uploads(tx: Tx, job_ids: Sequence[int]) -> set[int]:
    """Return those of these jobs that have an upload which has not ended."""
    return set(await _UNDER_WAY.rows(tx, job_ids=job_ids))
