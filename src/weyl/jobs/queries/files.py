"""SQL of the runs of jobs, as their files are concerned: whose, where, which attempt, and what is wanted of it."""

from typing import NamedTuple

from weyl.jobs.queries.reschedule import Run
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql


class RunOfJob(NamedTuple):
    """A job with the run that it has now, or had last, and what its files depend on."""

    job_id: int
    vo: str
    owner: str
    owner_group: str
    site: str
    status: str
    pilot_stamp: str | None
    output_state: str | None
    document: Document
    parameters: Document | None
    attempt: int
    lfns: list[str] | None


_ATTEMPT = """
  (1 + coalesce((SELECT max(attempt) FROM job_attempts WHERE job_attempts.job_id = jobs.job_id), 0)) AS attempt
"""
_SELECT = Sql(
    f"""
    SELECT jobs.job_id, vo, owner, owner_group, site, status, pilot_stamp, output_state, document, parameters,
      {_ATTEMPT}, lfns
    FROM jobs JOIN job_descriptions USING (description_id) LEFT JOIN job_input_sets USING (input_set_id)
    WHERE jobs.job_id = :job_id
    """,
    RunOfJob,
)
_ROW = ", ".join(Run._fields)
_LOCK = Sql(f"SELECT {_ROW} FROM jobs WHERE job_id = :job_id FOR NO KEY UPDATE", Run)
_SELECT_ATTEMPT = Sql(f"SELECT {_ATTEMPT} FROM jobs WHERE job_id = :job_id", int)
_REGISTER = Sql(f"UPDATE jobs SET output_state = 'registered' WHERE job_id = :job_id RETURNING {_ROW}", Run)


async def select_run(tx: Tx, job_id: int) -> RunOfJob | None:
    """Return a job with the run that it has now."""
    return await _SELECT.first(tx, job_id=job_id)


async def lock_run(tx: Tx, job_id: int) -> tuple[Run, int] | None:
    """Lock a job and return it with the number of the run that it has now; none if it is gone."""
    row = await _LOCK.first(tx, job_id=job_id)
    if row is None:
        return None
    # a statement of its own, after the lock: in the locking one it would see the runs as they were before the wait
    return row, await _SELECT_ATTEMPT.one(tx, job_id=job_id)


async def note_registered(tx: Tx, job_id: int) -> Run:
    """Note that the output data of a locked job are registered; returns the job."""
    return await _REGISTER.one(tx, job_id=job_id)
