"""SQL of orders about many jobs: how many there are, a few of them, and the next batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.jobs.permits import JobScope
from weyl.jobs.queries.search import COLUMNS, Selection
from weyl.jobs.tables import jobs
from weyl.kit.db import Tx
from weyl.kit.search import SearchSpec
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import fetch

_SAMPLE = ("JobID", "JobName", "Status", "MinorStatus", "Owner", "Site", "LastUpdateTime")
_BOUND = sa.select(sa.func.coalesce(sa.func.max(jobs.c.job_id), 0))
_ROW = (jobs.c.job_id, jobs.c.vo, jobs.c.owner, jobs.c.pilot_stamp)


@dataclass(frozen=True, slots=True)
class Target:
    """Which jobs an order is about, within what its giver sees: these ids, or these conditions up to an id."""

    scope: JobScope
    specs: Sequence[SearchSpec] = ()
    ids: Sequence[int] | None = None
    bound: int | None = None

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on rows of jobs."""
        clauses = Selection(self.scope, self.specs).clauses()
        if self.ids is not None:
            clauses.append(jobs.c.job_id == sa.any_(sa.literal(list(self.ids), ARRAY(sa.BigInteger))))
        if self.bound is not None:
            clauses.append(jobs.c.job_id <= self.bound)
        return clauses


async def select_bound(tx: Tx) -> int:
    """Return the highest id of a job that there is."""
    return int((await tx.execute(_BOUND)).scalar_one())


async def count_by_status_and_owner(tx: Tx, target: Target) -> list[dict[str, Any]]:
    """Count the jobs by status and owner, from the rows themselves."""
    keys = [jobs.c.status, jobs.c.owner]
    statement = sa.select(*keys, sa.func.count()).where(*target.clauses()).group_by(*keys)
    async with search_errors():
        rows = await fetch(tx, statement)
    return [{"Status": status, "Owner": owner, "count": count} for status, owner, count in rows]


async def select_sample(tx: Tx, target: Target, statuses: Collection[str], *, rows: int) -> list[dict[str, Any]]:
    """Return the first of the jobs that have one of these statuses."""
    statement = sa.select(*(COLUMNS[name].label(name) for name in _SAMPLE))
    statement = statement.where(*target.clauses(), _is_among(statuses)).order_by(jobs.c.job_id).limit(rows)
    async with search_errors():
        return [dict(row) for row in await fetch(tx, statement)]


async def select_batch(
    tx: Tx, target: Target, statuses: Collection[str], *, after: int, size: int
) -> dict[int, dict[str, Any]]:
    """Return the next jobs behind an id that have one of these statuses: VO, owner and pilot."""
    statement = sa.select(*_ROW).where(*target.clauses(), _is_among(statuses), jobs.c.job_id > after)
    rows = await fetch(tx, statement.order_by(jobs.c.job_id).limit(size))
    return {row["job_id"]: dict(row) for row in rows}


def _is_among(statuses: Collection[str]) -> sa.ColumnElement[bool]:
    return jobs.c.status == sa.any_(sa.literal(sorted(statuses), ARRAY(sa.String)))
