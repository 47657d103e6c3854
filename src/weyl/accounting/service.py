"""What was used: sums for reports, and records as they stream out."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from weyl.accounting import queries
from weyl.accounting.errors import BadPeriod, BadSeries
from weyl.accounting.models import (
    Activity,
    ActivitySample,
    EndedJobs,
    JobReport,
    JobSeries,
    JobSums,
    PilotReport,
    PilotSeries,
    PilotSums,
    Series,
    SeriesLine,
)
from weyl.accounting.permits import UsageScope
from weyl.accounting.series import BUCKETS_MAX, Value, buckets_of, series_of, table_of
from weyl.kit.clock import iso_z
from weyl.kit.db import Database, Tx
from weyl.kit.plain_text import spreadsheet_cell

ROWS_MAX = 100_000
PERIOD_MAX = timedelta(days=3_660)
RECORDS_A_PAGE = 5_000
ACTIVITY_OVER = timedelta(days=1)


def period_of(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return a period in UTC; raises `BadPeriod`."""
    if start.tzinfo is None or end.tzinfo is None:
        raise BadPeriod("start and end need a time zone, such as 2026-11-01T00:00:00Z")
    if not timedelta(0) < end - start <= PERIOD_MAX:
        raise BadPeriod("end must lie behind start, and at most ten years")
    try:
        return start.astimezone(UTC), end.astimezone(UTC)
    except OverflowError as error:
        raise BadPeriod("start and end must lie between the years 1 and 9999, in UTC") from error


async def report_jobs(tx: Tx, scope: UsageScope, asked: JobReport) -> list[JobSums]:
    """Return the sums of jobs that a report asks for."""
    rows = await _sums(tx, scope, queries.JOBS, asked)
    return [JobSums(**_keyed(row, asked.by)) for row in rows]


async def report_pilots(tx: Tx, scope: UsageScope, asked: PilotReport) -> list[PilotSums]:
    """Return the sums of pilots that a report asks for."""
    rows = await _sums(tx, scope, queries.PILOTS, asked)
    return [PilotSums(**_keyed(row, asked.by)) for row in rows]


async def plot(
    tx: Tx, scope: UsageScope, kind: queries.Kind, values: Mapping[str, Value], asked: JobSeries | PilotSeries
) -> Series:
    """Return the series that a plot asks for: every bucket of the period, also where nothing ended."""
    value = values[asked.value]
    if asked.normalised and value.by is not None:
        raise BadSeries(f"{asked.value} is a quotient already: it has no parts to be normalised")
    period = period_of(asked.start, asked.end)
    buckets = buckets_of(*period, asked.bucket)
    if len(buckets) > BUCKETS_MAX:
        raise BadSeries(f"More than {BUCKETS_MAX:,} points a line: ask for a shorter time or a longer bucket")
    question = queries.Plot(
        # Sums are kept by the hour: the period begins with the bucket that its start lies in.
        period=(buckets[0], period[1]),
        by=asked.by,
        bucket=asked.bucket,
        where={str(name): chosen for name, chosen in asked.where.items()},
        sums=list(dict.fromkeys(name for name in (value.sum, value.by) if name)),
        rank=value.by or value.sum,
        top=asked.top,
    )
    rows = await queries.select_series(tx, scope, kind, question)
    lines = series_of(rows, value, buckets, is_split=asked.by is not None, normalised=asked.normalised)
    return Series(
        value=asked.value,
        unit="" if asked.normalised else value.unit,
        bucket=asked.bucket,
        normalised=asked.normalised,
        buckets=buckets,
        series=[SeriesLine.model_validate(line) for line in lines],
    )


async def activity(tx: Tx, scope: UsageScope, *, now: datetime) -> Activity:
    """Return what ran, waited and ended in a VO over the last day."""
    since = now - ACTIVITY_OVER
    hour = since.replace(minute=0, second=0, microsecond=0)
    samples_max = ACTIVITY_OVER // queries.SAMPLED_EVERY + 1
    samples = await queries.select_samples(tx, scope, since=since, limit=samples_max)
    hours = await queries.select_ended(tx, scope, since=hour, limit=samples_max)
    return Activity(
        since=since,
        step_s=int(queries.SAMPLED_EVERY.total_seconds()),
        samples=[ActivitySample(**sample._asdict()) for sample in samples],
        hours=[EndedJobs(**each._asdict()) for each in hours],
    )


def series_csv(plotted: Series) -> bytes:
    """Return series as CSV: a row for each bucket, a column for each line."""
    names, *rows = table_of([line.model_dump() for line in plotted.series], plotted.buckets)
    return _csv([[spreadsheet_cell(str(name)) for name in names], *([_cell(value) for value in row] for row in rows)])


async def export(
    db: Database, scope: UsageScope, kind: queries.Kind, *, period: tuple[datetime, datetime]
) -> AsyncIterator[bytes]:
    """Yield the records of a period as CSV, a page at a time: whatever their number, little memory is used."""
    names = [column.name for column in kind.records.columns]
    yield _csv([names])
    after = None
    while True:
        async with db.read() as tx:
            rows = await queries.select_records(tx, scope, kind, period=period, after=after, limit=RECORDS_A_PAGE)
        if rows:
            yield _csv([[_cell(row[name]) for name in names] for row in rows])
        if len(rows) < RECORDS_A_PAGE:
            return
        after = (rows[-1]["ended_at"], rows[-1]["record_id"])


async def _sums(
    tx: Tx, scope: UsageScope, kind: queries.Kind, asked: JobReport | PilotReport
) -> Sequence[Mapping[str, Any]]:
    question = queries.Question(
        period=period_of(asked.start, asked.end),
        by=list(dict.fromkeys(asked.by)),
        bucket=asked.bucket,
        where={str(name): values for name, values in asked.where.items()},
    )
    rows = await queries.select_sums(tx, scope, kind, question, limit=ROWS_MAX + 1)
    if len(rows) > ROWS_MAX:
        raise BadPeriod(f"More than {ROWS_MAX:,} rows: ask for a shorter time, a longer bucket, or fewer columns")
    return rows


def _keyed(row: Mapping[str, Any], by: Sequence[str]) -> dict[str, Any]:
    """Put what the sums are grouped by into a member of its own."""
    return {"keys": {name: row[name] for name in by}, **{name: row[name] for name in row if name not in by}}


def _cell(value: object) -> object:
    return iso_z(value) if isinstance(value, datetime) else value


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
