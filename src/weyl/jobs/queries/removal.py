"""SQL that finds jobs old enough to go, and removes what there is of deleted ones."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from weyl.kit.db import Timestamp, Tx

_LOCK = sa.text(
    "SELECT job_id, status FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[])) ORDER BY job_id FOR UPDATE"
)
_SATELLITES = (
    *(
        sa.text(f"DELETE FROM {table} WHERE job_id = ANY(CAST(:job_ids AS bigint[]))")
        for table in ("job_parameters", "job_attempts", "job_pilots")
    ),
    # Those that were delivered are forgotten within a day, and no index leads to them.
    sa.text("DELETE FROM job_commands WHERE job_id = ANY(CAST(:job_ids AS bigint[])) AND delivered_at IS NULL"),
)
# Descriptions are locked in their order: two batches may hold jobs of the same ones.
_JOBS = sa.text(
    "WITH gone AS (DELETE FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[])) RETURNING description_id),"
    " counted AS (SELECT description_id, count(*) AS jobs FROM gone GROUP BY description_id),"
    " locked AS (SELECT description_id, counted.jobs FROM job_descriptions JOIN counted USING (description_id)"
    "  ORDER BY description_id FOR UPDATE OF job_descriptions)"
    " UPDATE job_descriptions SET jobs = job_descriptions.jobs - locked.jobs FROM locked"
    " WHERE job_descriptions.description_id = locked.description_id"
    " RETURNING job_descriptions.description_id, job_descriptions.jobs"
)
_DESCRIPTIONS = sa.text(
    "DELETE FROM job_descriptions WHERE description_id = ANY(CAST(:description_ids AS bigint[])) AND jobs <= 0"
)
# An index for each of the two: the first rows that it holds of a VO and type are the oldest.
_WHICH = {"ended": "status IN ('Done', 'Failed', 'Killed')", "deleted": "status = 'Deleted'"}
_OLD = {
    name: sa.text(
        f"SELECT job_id, last_update_time FROM jobs WHERE vo = :vo AND job_type = :job_type AND {which}"
        " AND last_update_time < :before AND (last_update_time, job_id) > (:after_time, :after_id)"
        " ORDER BY last_update_time, job_id LIMIT :limit"
    ).bindparams(sa.bindparam("before", type_=Timestamp), sa.bindparam("after_time", type_=Timestamp))
    for name, which in _WHICH.items()
}
_LOCK_OLD = {
    name: sa.text(
        f"SELECT job_id, pilot_stamp FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[])) AND {which}"
        " AND last_update_time < :before ORDER BY job_id FOR NO KEY UPDATE SKIP LOCKED"
    ).bindparams(sa.bindparam("before", type_=Timestamp))
    for name, which in _WHICH.items()
}
_TYPES = sa.text("SELECT DISTINCT job_type FROM job_counts WHERE vo = :vo AND count > 0 ORDER BY job_type")


async def lock_statuses(tx: Tx, job_ids: Iterable[int]) -> dict[int, str]:
    """Lock jobs in the order of their ids, for good, and return their statuses."""
    rows = (await tx.execute(_LOCK, {"job_ids": list(job_ids)})).mappings()
    return {row["job_id"]: row["status"] for row in rows}


async def delete_satellites(tx: Tx, job_ids: Sequence[int]) -> None:
    """Remove what other tables hold of locked jobs."""
    for statement in _SATELLITES:
        await tx.execute(statement, {"job_ids": list(job_ids)})


async def delete_jobs(tx: Tx, job_ids: Sequence[int]) -> None:
    """Remove locked jobs, and the descriptions of which they were the last."""
    rows = await tx.execute(_JOBS, {"job_ids": list(job_ids)})
    empty = [description_id for description_id, left in rows if left is not None and left <= 0]
    if empty:
        await tx.execute(_DESCRIPTIONS, {"description_ids": empty})


async def select_job_types(tx: Tx, vo: str) -> list[str]:
    """Return the types of the jobs that a VO has."""
    return list((await tx.execute(_TYPES, {"vo": vo})).scalars())


async def select_old(
    tx: Tx, rule: str, *, of: tuple[str, str], before: datetime, after: tuple[datetime, int], limit: int
) -> list[sa.Row[Any]]:
    """Return jobs of a VO and type that have not changed since a time, the oldest first."""
    vo, job_type = of
    after_time, after_id = after
    values = {"vo": vo, "job_type": job_type, "before": before, "limit": limit}
    return list((await tx.execute(_OLD[rule], {**values, "after_time": after_time, "after_id": after_id})).all())


async def lock_old(tx: Tx, rule: str, job_ids: Sequence[int], *, before: datetime) -> dict[int, str | None]:
    """Lock those of these jobs that are still old, passing over what is held; returns the pilot of each."""
    rows = await tx.execute(_LOCK_OLD[rule], {"job_ids": list(job_ids), "before": before})
    return {row.job_id: row.pilot_stamp for row in rows}
