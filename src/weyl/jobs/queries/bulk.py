"""SQL of orders about many jobs: how many there are, a few of them, and the next batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.jobs.permits import JobScope
from weyl.jobs.queries.search import COLUMNS, Selection
from weyl.jobs.tables import jobs
from weyl.kit.db import Tx
from weyl.kit.search import SearchSpec
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import Sql, fetch, fetch_as

_BOUND = Sql("SELECT coalesce(max(job_id), 0) FROM jobs", int)


class Counted(TypedDict):
    """How many jobs of an owner have a status."""

    Status: str
    Owner: str
    count: int


class Sample(TypedDict):
    """One of the jobs that an order is about, as it goes over the wire."""

    JobID: int
    JobName: str
    Status: str
    MinorStatus: str
    Owner: str
    Site: str
    LastUpdateTime: datetime


class Meant(NamedTuple):
    """A job that an order is about: whose it is, and its pilot."""

    job_id: int
    vo: str
    owner: str
    pilot_stamp: str | None


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
    return await _BOUND.one(tx)


async def count_by_status_and_owner(tx: Tx, target: Target) -> list[Counted]:
    """Count the jobs by status and owner, from the rows themselves."""
    keys = [jobs.c.status, jobs.c.owner]
    statement = sa.select(*keys, sa.func.count()).where(*target.clauses()).group_by(*keys)
    async with search_errors():
        rows = await fetch(tx, statement)
    return [{"Status": status, "Owner": owner, "count": count} for status, owner, count in rows]


async def select_sample(tx: Tx, target: Target, statuses: Collection[str], *, rows: int) -> list[Sample]:
    """Return the first of the jobs that have one of these statuses."""
    statement = sa.select(*(COLUMNS[name].label(name) for name in Sample.__annotations__))
    statement = statement.where(*target.clauses(), _is_among(statuses)).order_by(jobs.c.job_id).limit(rows)
    async with search_errors():
        return await fetch_as(tx, Sample, statement)


async def select_batch(tx: Tx, target: Target, statuses: Collection[str], *, after: int, size: int) -> dict[int, Meant]:
    """Return the next jobs behind an id that have one of these statuses: VO, owner and pilot."""
    columns = (jobs.c[name] for name in Meant._fields)
    statement = sa.select(*columns).where(*target.clauses(), _is_among(statuses), jobs.c.job_id > after)
    rows = await fetch(tx, statement.order_by(jobs.c.job_id).limit(size))
    return {row["job_id"]: Meant._make(row) for row in rows}


def _is_among(statuses: Collection[str]) -> sa.ColumnElement[bool]:
    return jobs.c.status == sa.any_(sa.literal(sorted(statuses), ARRAY(sa.String)))
