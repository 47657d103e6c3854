"""SQL that tells whose jobs are and who runs them."""

from collections.abc import Iterable
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Access(NamedTuple):
    """Whose a job is, the pilot that runs it, and whether the pilot that asks ever ran it."""

    job_id: int
    vo: str
    owner: str
    pilot_stamp: str | None
    ran_here: bool | None


_ACCESS = Sql(
    """
    SELECT job_id, vo, owner, pilot_stamp,
      CAST(:stamp AS text) IS NOT NULL AND (pilot_stamp = :stamp OR EXISTS (
        SELECT FROM job_pilots WHERE job_pilots.job_id = jobs.job_id AND job_pilots.pilot_stamp = :stamp)) AS ran_here
    FROM jobs WHERE job_id = ANY(:job_ids)
    """,
    Access,
)


async def select_access(tx: Tx, job_ids: Iterable[int], stamp: str | None) -> dict[int, Access]:
    """Return owner, VO and pilot of those jobs that exist, and whether the pilot of that stamp ever ran them."""
    # an id that no column can hold is the id of no job
    asked = [job_id for job_id in job_ids if 0 < job_id < 1 << 63]
    if not asked:
        return {}
    return {row.job_id: row for row in await _ACCESS.rows(tx, job_ids=asked, stamp=stamp)}
