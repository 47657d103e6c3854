"""SQL of accounting: sums by the hour, folding, records page by page, and samples of the load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from weyl.accounting.permits import UsageScope
from weyl.accounting.tables import (
    JOB_KEYS,
    JOB_SUMS,
    PILOT_KEYS,
    PILOT_SUMS,
    job_hour_deltas,
    job_hours,
    job_records,
    pilot_hour_deltas,
    pilot_hours,
    pilot_records,
)
from weyl.jobs.states import ACTIVE
from weyl.kit.db import Tx
from weyl.kit.sql import Sql, WireRow


@dataclass(frozen=True, slots=True)
class Question:
    """What to sum up: whole hours of a period, by some keys and a stretch of time, where keys have some values."""

    period: tuple[datetime, datetime]
    by: Sequence[str]
    bucket: str
    where: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of records with its sums."""

    name: str
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    records: sa.Table
    hours: sa.Table
    deltas: sa.Table


JOBS = Kind("job", JOB_KEYS, JOB_SUMS, job_records, job_hours, job_hour_deltas)
PILOTS = Kind("pilot", PILOT_KEYS, PILOT_SUMS, pilot_records, pilot_hours, pilot_hour_deltas)
KINDS = (JOBS, PILOTS)


@dataclass(frozen=True, slots=True)
class Plot:
    """What to sum up in each bucket: by one key, whose largest values by `rank` are kept apart."""

    period: tuple[datetime, datetime]
    by: str | None
    bucket: str
    where: Mapping[str, Sequence[str]]
    sums: Sequence[str]
    rank: str
    top: int


async def select_series(tx: Tx, scope: UsageScope, kind: Kind, asked: Plot) -> list[WireRow]:
    """Return sums by bucket and name, exact up to the last commit; what is not among the largest has no name."""
    keys = ("hour", *kind.keys, *kind.sums)
    hours = sa.union_all(
        *(
            sa.select(*(table.c[name] for name in keys)).where(*_chosen(table.c, scope, asked.period, asked.where))
            for table in (kind.hours, kind.deltas)
        )
    ).cte("hours")
    name: sa.ColumnElement[Any] = sa.null()
    if asked.by is not None:
        key = hours.c[asked.by]
        most = sa.select(key).group_by(key).order_by(sa.func.sum(hours.c[asked.rank]).desc(), key).limit(asked.top)
        name = sa.case((key.in_(most), key), else_=sa.null())
    grouped = sa.select(
        sa.func.date_trunc(asked.bucket, hours.c.hour, "UTC").label("bucket"),
        sa.cast(name, sa.String).label("name"),
        *(hours.c[each] for each in asked.sums),
    ).subquery("named")
    statement = sa.select(
        grouped.c.bucket, grouped.c.name, *(sa.func.sum(grouped.c[each]).label(each) for each in asked.sums)
    ).group_by(grouped.c.bucket, grouped.c.name)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


def _chosen(
    columns: Any, scope: UsageScope, period: tuple[datetime, datetime], where: Mapping[str, Sequence[str]]
) -> list[sa.ColumnElement[bool]]:
    clauses = [columns.vo == scope.vo, columns.hour >= period[0], columns.hour < period[1]]
    clauses += [columns.owner == scope.owner] if scope.owner is not None else []
    return [*clauses, *(columns[name].in_(values) for name, values in where.items())]


async def select_sums(
    tx: Tx,
    scope: UsageScope,
    kind: Kind,
    asked: Question,
    *,
    limit: int,
) -> list[WireRow]:
    """Return sums, exact up to the last commit."""
    names = ("hour", *kind.keys, *kind.sums)
    parts = [sa.select(*(table.c[name] for name in names)) for table in (kind.hours, kind.deltas)]
    all_hours = sa.union_all(*parts).subquery("hours")
    columns = all_hours.c
    grouped: list[sa.ColumnElement[Any]] = [columns[name] for name in asked.by]
    if asked.bucket != "all":
        grouped.insert(0, sa.func.date_trunc(asked.bucket, columns.hour, "UTC").label("bucket"))
    statement = (
        sa.select(*grouped, *(sa.func.sum(columns[name]).label(name) for name in kind.sums))
        .where(columns.vo == scope.vo, columns.hour >= asked.period[0], columns.hour < asked.period[1])
        .group_by(*grouped)
        .order_by(*grouped)
        .limit(limit)
    )
    if scope.owner is not None:
        statement = statement.where(columns.owner == scope.owner)
    for name, values in asked.where.items():
        statement = statement.where(columns[name].in_(values))
    if not grouped:
        statement = statement.having(sa.func.count() > 0)
    return [dict(row) for row in (await tx.execute(statement)).mappings()]


async def select_records(
    tx: Tx,
    scope: UsageScope,
    kind: Kind,
    *,
    period: tuple[datetime, datetime],
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[WireRow]:
    """Return the next records of a period after one that was seen, in the order of their ends."""
    columns = kind.records.c
    place = sa.tuple_(columns.ended_at, columns.record_id)
    statement = sa.select(kind.records).where(
        columns.vo == scope.vo, columns.ended_at >= period[0], columns.ended_at < period[1]
    )
    if scope.owner is not None:
        statement = statement.where(columns.owner == scope.owner)
    if after is not None:
        statement = statement.where(place > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
    rows = await tx.execute(statement.order_by(columns.ended_at, columns.record_id).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def select_fresh_vos(tx: Tx, kind: Kind) -> list[str]:
    """Return the VOs of which something ended since the last fold."""
    return list((await tx.execute(sa.select(kind.deltas.c.vo).distinct().order_by(kind.deltas.c.vo))).scalars())


def _fold(kind: Kind) -> Sql[None]:
    keys, sums = ", ".join(("hour", *kind.keys)), kind.sums
    return Sql(
        f"""
        WITH fresh AS (DELETE FROM {kind.deltas.name} WHERE vo = ANY(:vos) RETURNING *)
        INSERT INTO {kind.hours.name} ({keys}, {", ".join(sums)})
        SELECT {keys}, {", ".join(f"sum({name})" for name in sums)} FROM fresh GROUP BY {keys} ORDER BY {keys}
        ON CONFLICT ({keys}) DO UPDATE SET
          {", ".join(f"{name} = {kind.hours.name}.{name} + excluded.{name}" for name in sums)}
        """
    )


_FOLD = {kind.name: _fold(kind) for kind in KINDS}


async def fold(tx: Tx, kind: Kind, vos: Sequence[str]) -> None:
    """Add to the sums of VOs what ended since the last time; readers see one sum before, during and after."""
    await _FOLD[kind.name].run(tx, vos=vos)


SAMPLED_EVERY = timedelta(minutes=5)
_ACTIVE = ", ".join(map(repr, sorted(ACTIVE)))

_SAMPLE = Sql(
    f"""
    WITH counters AS (
      SELECT vo, status, count AS jobs FROM job_counts UNION ALL SELECT vo, status, delta FROM job_count_deltas
    ), parts AS (
      -- A VO that has jobs of any status has a row, so that nothing running is a zero and not a gap.
      SELECT vo, sum(CASE WHEN status = 'Running' THEN jobs ELSE 0 END) AS running,
        sum(CASE WHEN status = 'Waiting' THEN jobs ELSE 0 END) AS waiting, 0 AS pilots, 0 AS cores
      FROM counters GROUP BY vo
      UNION ALL SELECT vo, 0, 0, count(*), 0 FROM pilots WHERE status = 'Running' GROUP BY vo
      UNION ALL SELECT vo, 0, 0, 0, sum(coalesce(CAST(allocated ->> 'cores' AS bigint), 1))
      FROM jobs WHERE status IN ({_ACTIVE}) GROUP BY vo
    )
    INSERT INTO activity_samples (vo, at, running, waiting, pilots, cores)
    SELECT vo, date_bin(:step, :now, TIMESTAMPTZ '2000-01-01'), sum(running), sum(waiting), sum(pilots), sum(cores)
    FROM parts GROUP BY vo
    ON CONFLICT (vo, at) DO NOTHING
    """
)


async def insert_samples(tx: Tx, *, now: datetime) -> None:
    """Note how many jobs run and wait, how many pilots run, and the cores of running jobs, of each VO."""
    await _SAMPLE.run(tx, now=now, step=SAMPLED_EVERY)


_FORGET = Sql("DELETE FROM activity_samples WHERE at < :before")


async def delete_samples(tx: Tx, *, before: datetime) -> None:
    """Forget the samples from before a time."""
    await _FORGET.run(tx, before=before)


class Sample(NamedTuple):
    """What ran and waited at a moment."""

    at: datetime
    running: int
    waiting: int
    pilots: int
    cores: int


_SAMPLES = Sql(
    """
    SELECT at, running, waiting, pilots, cores FROM activity_samples
    WHERE vo = :vo AND at >= :since ORDER BY at LIMIT :limit
    """,
    Sample,
)


async def select_samples(tx: Tx, scope: UsageScope, *, since: datetime, limit: int) -> list[Sample]:
    """Return the samples of a VO since a time, the oldest first."""
    return await _SAMPLES.rows(tx, vo=scope.vo, since=since, limit=limit)


class Ended(NamedTuple):
    """How many jobs came to an end of their own in an hour, and how many of them failed."""

    hour: datetime
    ended: int
    failed: int


_ENDED = Sql(
    """
    SELECT hour, CAST(sum(jobs) AS bigint) AS ended,
      CAST(sum(CASE WHEN status = 'Failed' THEN jobs ELSE 0 END) AS bigint) AS failed
    FROM (
      SELECT hour, vo, status, jobs FROM job_hours UNION ALL SELECT hour, vo, status, jobs FROM job_hour_deltas
    ) hours
    WHERE vo = :vo AND hour >= :since AND status IN ('Done', 'Completed', 'Failed')
    GROUP BY hour ORDER BY hour LIMIT :limit
    """,
    Ended,
)


async def select_ended(tx: Tx, scope: UsageScope, *, since: datetime, limit: int) -> list[Ended]:
    """Return how many jobs of a VO were done or failed in each hour since a time; killed ones do not count."""
    return await _ENDED.rows(tx, vo=scope.vo, since=since, limit=limit)
