"""SQL that finds jobs old enough to go, and removes what there is of deleted ones."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.jobs.queries.input_sets import delete_unused
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class OldJob(NamedTuple):
    """A job that has not changed for long."""

    job_id: int
    last_update_time: datetime


_LOCK = Sql("SELECT job_id, status FROM jobs WHERE job_id = ANY(:job_ids) ORDER BY job_id FOR UPDATE", tuple[int, str])
_SATELLITES = (
    *(
        Sql(f"DELETE FROM {table} WHERE job_id = ANY(:job_ids)")
        for table in ("job_parameters", "job_attempts", "job_pilots", "job_outputs")
    ),
    # Those that were delivered are forgotten within a day, and no index leads to them.
    Sql("DELETE FROM job_commands WHERE job_id = ANY(:job_ids) AND delivered_at IS NULL"),
)
_JOBS = Sql(
    """
    WITH gone AS (
      DELETE FROM jobs WHERE job_id = ANY(:job_ids) RETURNING description_id, input_set_id
    ), counted AS (
      SELECT description_id, count(*) AS jobs FROM gone GROUP BY description_id
    ), locked AS (
      -- descriptions are locked in their order: two batches may hold jobs of the same ones
      SELECT description_id, counted.jobs FROM job_descriptions JOIN counted USING (description_id)
      ORDER BY description_id FOR UPDATE OF job_descriptions
    ), left_over AS (
      UPDATE job_descriptions SET jobs = job_descriptions.jobs - locked.jobs FROM locked
      WHERE job_descriptions.description_id = locked.description_id
      RETURNING job_descriptions.description_id, job_descriptions.jobs
    )
    SELECT
      ARRAY(SELECT description_id FROM left_over WHERE jobs <= 0) AS descriptions,
      ARRAY(SELECT DISTINCT input_set_id FROM gone WHERE input_set_id IS NOT NULL) AS input_sets
    """,
    tuple[list[int], list[int]],
)
_DESCRIPTIONS = Sql("DELETE FROM job_descriptions WHERE description_id = ANY(:description_ids) AND jobs <= 0")
# An index for each of the two: the first rows that it holds of a VO and type are the oldest.
_WHICH = {"ended": "status IN ('Done', 'Failed', 'Killed')", "deleted": "status = 'Deleted'"}
_OLD = {
    name: Sql(
        f"""
        SELECT job_id, last_update_time FROM jobs
        WHERE vo = :vo AND job_type = :job_type AND {which}
          AND last_update_time < :before AND (last_update_time, job_id) > (:after_time, :after_id)
        ORDER BY last_update_time, job_id LIMIT :limit
        """,
        OldJob,
    )
    for name, which in _WHICH.items()
}
_LOCK_OLD = {
    name: Sql(
        f"""
        SELECT job_id, pilot_stamp FROM jobs
        WHERE job_id = ANY(:job_ids) AND {which} AND last_update_time < :before
        ORDER BY job_id FOR NO KEY UPDATE SKIP LOCKED
        """,
        tuple[int, str | None],
    )
    for name, which in _WHICH.items()
}
_TYPES = Sql("SELECT DISTINCT job_type FROM job_counts WHERE vo = :vo AND count > 0 ORDER BY job_type", str)


async def lock_statuses(tx: Tx, job_ids: Iterable[int]) -> dict[int, str]:
    """Lock jobs in the order of their ids, for good, and return their statuses."""
    return dict(await _LOCK.rows(tx, job_ids=list(job_ids)))


async def delete_satellites(tx: Tx, job_ids: Sequence[int]) -> None:
    """Remove what other tables hold of locked jobs."""
    for statement in _SATELLITES:
        await statement.run(tx, job_ids=job_ids)


async def delete_jobs(tx: Tx, job_ids: Sequence[int]) -> None:
    """Remove locked jobs, and the descriptions and sets of input files of which they were the last."""
    descriptions, input_sets = await _JOBS.one(tx, job_ids=job_ids)
    if descriptions:
        await _DESCRIPTIONS.run(tx, description_ids=descriptions)
    if input_sets:
        await delete_unused(tx, input_sets)


async def select_job_types(tx: Tx, vo: str) -> list[str]:
    """Return the types of the jobs that a VO has."""
    return await _TYPES.rows(tx, vo=vo)


async def select_old(
    tx: Tx, rule: str, *, of: tuple[str, str], before: datetime, after: tuple[datetime, int], limit: int
) -> list[OldJob]:
    """Return jobs of a VO and type that have not changed since a time, the oldest first."""
    (vo, job_type), (after_time, after_id) = of, after
    return await _OLD[rule].rows(
        tx, vo=vo, job_type=job_type, before=before, after_time=after_time, after_id=after_id, limit=limit
    )


async def lock_old(tx: Tx, rule: str, job_ids: Sequence[int], *, before: datetime) -> dict[int, str | None]:
    """Lock those of these jobs that are still old, passing over what is held; returns the pilot of each."""
    return dict(await _LOCK_OLD[rule].rows(tx, job_ids=job_ids, before=before))
