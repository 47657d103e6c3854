"""SQL that tells whose jobs are and who runs them."""

from collections.abc import Iterable

import sqlalchemy as sa

from weyl.kit.db import Tx

_ACCESS = sa.text(
    "SELECT job_id, vo, owner, pilot_stamp, CAST(:stamp AS text) IS NOT NULL AND (pilot_stamp = :stamp OR EXISTS ("
    "  SELECT FROM job_pilots WHERE job_pilots.job_id = jobs.job_id AND job_pilots.pilot_stamp = :stamp)) AS ran_here"
    " FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[]))"
)


async def select_access(tx: Tx, job_ids: Iterable[int], stamp: str | None) -> dict[int, sa.RowMapping]:
    """Return owner, VO and pilot of those jobs that exist, and whether the pilot of that stamp ever ran them."""
    # an id that no column can hold is the id of no job
    asked = [job_id for job_id in job_ids if 0 < job_id < 1 << 63]
    if not asked:
        return {}
    rows = (await tx.execute(_ACCESS, {"job_ids": asked, "stamp": stamp})).mappings()
    return {row["job_id"]: row for row in rows}
