"""SQL of job groups: how far the jobs of each are, from the counters, and at which pace they have ended of late."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.jobs.queries.search import COUNTERS, Selection, jobs_of_counters, on_counters
from weyl.jobs.tables import jobs
from weyl.kit.db import Tx
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import Sql, fetch

ENDED_JOBS_MAX = 5_000
"""So many jobs of each type, those that ended last, tell the pace at which groups go on."""

STATES = {
    "Waiting": ("Submitting", "Received", "Checking", "Scouting", "Staging", "Waiting", "Rescheduled"),
    "Running": ("Matched", "Running", "Stalled", "Completing", "Completed"),
    "Done": ("Done",),
    "Failed": ("Failed",),
    "Killed": ("Killed",),
}
"""The statuses that are counted together; deleted jobs are not counted."""

Key = tuple[str, str, str]
"""VO, owner and name of a group."""


class Group(NamedTuple):
    """A job group: how many of its jobs are in each of `STATES`, and the newest of them."""

    vo: str
    owner: str
    job_group: str
    jobs: int
    waiting: int
    running: int
    done: int
    failed: int
    killed: int
    last_job_id: int
    last_submission_time: datetime

    @property
    def key(self) -> Key:
        """What it is told apart by."""
        return self.vo, self.owner, self.job_group

    @property
    def left(self) -> int:
        """How many of its jobs have not ended."""
        return self.waiting + self.running


class Ended(NamedTuple):
    """Jobs of a group that ended lately: how many, and when the first of them started."""

    vo: str
    owner: str
    job_group: str
    jobs: int
    first_start: datetime


def _counted(selection: Selection) -> sa.CTE:
    """Count the jobs of each group by state; groups whose jobs are all deleted are none."""
    keys = [COUNTERS.c[name] for name in ("vo", "owner", "job_group")]
    sums = [jobs_of_counters(_is_one_of(statuses)).label(state) for state, statuses in STATES.items()]
    is_there = COUNTERS.c.status != "Deleted"
    total = jobs_of_counters(is_there).label("Jobs")
    counted = sa.select(*keys, total, *sums).where(is_there, *on_counters(selection))
    return counted.group_by(*keys).having(total.element > 0).cte("counted")


def _is_one_of(statuses: Sequence[str]) -> sa.ColumnElement[bool]:
    return COUNTERS.c.status == sa.any_(sa.literal(list(statuses), ARRAY(sa.String)))


async def select_groups(tx: Tx, selection: Selection, *, first: int, limit: int) -> tuple[list[Group], int]:
    """Return a page of groups, that of the newest job first, and how many there are in all."""
    counted = _counted(selection)
    newest = (
        sa.select(jobs.c.job_id, jobs.c.submission_time)
        .where(*(jobs.c[name] == counted.c[name] for name in ("job_group", "vo", "owner")))
        .order_by(jobs.c.job_id.desc())
        .limit(1)
        .lateral("newest")
    )
    columns = [
        *(counted.c[name] for name in ("vo", "owner", "job_group", "Jobs", *STATES)),
        newest.c.job_id,
        newest.c.submission_time,
        sa.func.count().over(),
    ]
    statement = sa.select(*columns).join_from(counted, newest, sa.true())
    async with search_errors():
        rows = await fetch(tx, statement.order_by(newest.c.job_id.desc()).offset(first).limit(limit))
        if not rows:
            return [], await _count(tx, counted) if first else 0
    return [Group(*values) for *values, _ in rows], int(rows[0][-1])


async def _count(tx: Tx, counted: sa.CTE) -> int:
    [(total,)] = await fetch(tx, sa.select(sa.func.count()).select_from(counted))
    return int(total)


_ENDED = Sql(
    """
    SELECT ended.vo, ended.owner, ended.job_group, count(*) AS jobs, min(ended.start_exec_time) AS first_start
    FROM (SELECT DISTINCT vo, job_type FROM job_counts WHERE vo = ANY(:vos)) AS kind
    CROSS JOIN LATERAL (
      SELECT vo, owner, job_group, start_exec_time FROM jobs
      WHERE vo = kind.vo AND job_type = kind.job_type AND status IN ('Done', 'Failed', 'Killed')
        AND last_update_time > :since
      ORDER BY last_update_time DESC LIMIT :limit
    ) AS ended
    WHERE ended.start_exec_time IS NOT NULL
      AND (ended.vo, ended.owner, ended.job_group)
        IN (SELECT * FROM unnest(CAST(:vos AS text[]), CAST(:owners AS text[]), CAST(:job_groups AS text[])))
    GROUP BY ended.vo, ended.owner, ended.job_group
    """,
    Ended,
)


async def select_ended(tx: Tx, keys: Iterable[Key], *, since: datetime) -> dict[Key, Ended]:
    """Return what ended of these groups since a time, of the jobs of each type only the last `ENDED_JOBS_MAX`."""
    asked: Sequence[Key] = list(keys)
    if not asked:
        return {}
    vos, owners, job_groups = map(list, zip(*asked, strict=True))
    rows = await _ENDED.rows(tx, vos=vos, owners=owners, job_groups=job_groups, since=since, limit=ENDED_JOBS_MAX)
    return {(row.vo, row.owner, row.job_group): row for row in rows}
