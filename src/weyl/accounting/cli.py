"""`weyl accounting`: what was used, summed up, and the records of jobs and pilots as files."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from weyl.accounting import calls
from weyl.accounting.models import Bucket, JobKey, JobSeries, JobValue, PilotKey, PilotSeries, PilotValue, SeriesBucket
from weyl.accounting.series import table_of
from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Done, Result, Rows
from weyl.client.spelling import suggestion
from weyl.client.times import parse_span
from weyl.kit.plain_text import spreadsheet_cell

app = typer.Typer(
    help="Sums up what jobs and pilots have used.\n\nExample: weyl accounting jobs --last 7d --by site\n",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JOB_COLUMNS = ("jobs", "wall_h", "cpu_h", "core_h", "efficiency")
PILOT_COLUMNS = ("pilots", "empty", "jobs", "wall_h", "used")
HOUR_S = 3600

Start = Annotated[str | None, typer.Option("--start", metavar="TIME", help="Begin, as 2026-11-01; in UTC.")]
End = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="End, which does not belong to it; now if left out.")
]
Last = Annotated[str, typer.Option("--last", metavar="SPAN", help="How far back, without --start, as 30d.")]
By = Annotated[str, typer.Option("--by", metavar="COLUMN[,COLUMN]", help="Columns to sum up by.")]
BucketOption = Annotated[Bucket, typer.Option("--bucket", help="One row an hour, a day, a month, or for all of it.")]
Where = Annotated[
    list[str] | None, typer.Option("--where", metavar="COLUMN=VALUE[,VALUE]", help="Only these; may be repeated.")
]


@app.command("jobs")
def jobs(
    context: typer.Context,
    *,
    start: Start = None,
    end: End = None,
    last: Last = "30d",
    by: By = "",
    bucket: BucketOption = "all",
    where: Where = None,
) -> Result:
    """Sums up jobs that have ended: yours, or, for those who watch over it, your VO's. Hours in three forms.

    Example: weyl accounting jobs --last 7d --by site,status --bucket day
    """
    keys = _keys(by, get_args(JobKey))
    began, ended = _period(start, end, last)
    call = calls.report_jobs(began, ended, by=keys, bucket=bucket, where=_conditions(where, get_args(JobKey)))
    rows = [
        {
            **_labels(sums.bucket, sums.keys, bucket),
            "jobs": sums.jobs,
            "wall_h": round(sums.wall_s / HOUR_S, 2),
            "cpu_h": round(sums.cpu_s / HOUR_S, 2),
            "core_h": round(sums.core_s / HOUR_S, 2),
            "efficiency": round(sums.cpu_s / sums.core_s, 3) if sums.core_s else None,
        }
        for sums in session_of(context).client.send(call)
    ]
    return Rows(rows, columns=(*_names(bucket), *keys, *JOB_COLUMNS), id_column="jobs", unit="rows")


@app.command("pilots")
def pilots(
    context: typer.Context,
    *,
    start: Start = None,
    end: End = None,
    last: Last = "30d",
    by: By = "",
    bucket: BucketOption = "all",
    where: Where = None,
) -> Result:
    """Sums up pilots of your VO that have ended: how many ran nothing, and which part of their time was used.

    Example: weyl accounting pilots --last 7d --by site,ce
    """
    keys = _keys(by, get_args(PilotKey))
    began, ended = _period(start, end, last)
    call = calls.report_pilots(began, ended, by=keys, bucket=bucket, where=_conditions(where, get_args(PilotKey)))
    rows = [
        {
            **_labels(sums.bucket, sums.keys, bucket),
            "pilots": sums.pilots,
            "empty": sums.empty,
            "jobs": sums.jobs,
            "wall_h": round(sums.wall_s / HOUR_S, 2),
            "used": round(sums.job_wall_s / sums.wall_s, 3) if sums.wall_s else None,
        }
        for sums in session_of(context).client.send(call)
    ]
    return Rows(rows, columns=(*_names(bucket), *keys, *PILOT_COLUMNS), id_column="pilots", unit="rows")


@app.command("series")
def series(
    context: typer.Context,
    kind: Annotated[Literal["jobs", "pilots"], typer.Argument(help="Of what.")],
    *,
    value: Annotated[str | None, typer.Option("--value", metavar="VALUE", help="What; how many, if left out.")] = None,
    start: Start = None,
    end: End = None,
    last: Last = "30d",
    by: Annotated[str | None, typer.Option("--by", metavar="COLUMN", help="A line for each of its largest.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=50, help="How many lines; the others are one.")] = 10,
    bucket: Annotated[SeriesBucket, typer.Option("--bucket", help="One row an hour, a day or a month.")] = "day",
    normalised: Annotated[bool, typer.Option("--normalised", help="Parts of each row's sum.")] = False,
    where: Where = None,
) -> Result:
    """Tells a value over time, a column for each line of a plot; `-o csv` for other programs.

    Values of jobs: jobs, wall_s, cpu_s, core_s, efficiency, mean_wall_s; of pilots: pilots, empty, jobs, wall_s,
    job_wall_s, efficiency, empty_fraction.

    Example: weyl accounting series jobs --value core_s --by site --top 5 --last 7d -o csv
    """
    model, known, columns = (
        (JobSeries, get_args(JobValue), get_args(JobKey))
        if kind == "jobs"
        else (PilotSeries, get_args(PilotValue), get_args(PilotKey))
    )
    if value is not None and value not in known:
        hint = suggestion(value, known, otherwise=f"Values of {kind} are {', '.join(known)}.")
        raise UsageFault(f"There is no value {value!r}.", hint=hint)
    began, ended = _period(start, end, last)
    asked: dict[str, Any] = {"start": began, "end": ended, "bucket": bucket, "top": top, "normalised": normalised}
    asked |= {"value": value or kind, "where": _conditions(where, columns)}
    asked |= {"by": _column(by, columns) if by else None}
    call = calls.plot_jobs if kind == "jobs" else calls.plot_pilots
    plotted = session_of(context).client.send(call(model.model_validate(asked)))  # type: ignore[arg-type]
    head, *rows = table_of([line.model_dump() for line in plotted.series], plotted.buckets)
    names = [str(name) for name in head]
    return Rows([dict(zip(names, row, strict=True)) for row in rows], columns=names, id_column="bucket", unit="rows")


@app.command("export")
def export(
    context: typer.Context,
    kind: Annotated[Literal["jobs", "pilots"], typer.Argument(help="Whose records.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; .csv or .parquet says which format.")],
    *,
    start: Start = None,
    end: End = None,
    last: Last = "30d",
) -> Result:
    """Writes one record a run of a job, or a pilot, into a file; times in UTC, lengths in seconds.

    Example: weyl accounting export jobs november.parquet --start 2026-11-01 --end 2026-12-01
    """
    if file.suffix not in (".csv", ".parquet"):
        raise UsageFault(f"{file.name}: which format?", hint="End the name in .csv or .parquet.")
    days = _days(*_period(start, end, last))
    pages = _pages(session_of(context), kind, days)
    partial = file.with_name(file.name + ".part")
    try:
        count = write_csv(pages, partial) if file.suffix == ".csv" else _parquet().write(pages, partial)
        partial.replace(file)
    except OSError as error:
        raise ClientError(f"Cannot write {file}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Done(f"{count:,} records in {file}", document={"file": str(file), "records": count})


def _parquet() -> Any:
    """Import the library that writes Parquet, which few have and which takes long, when it is needed."""
    try:
        from weyl.accounting import parquet  # noqa: PLC0415
    except ImportError as error:
        raise UsageFault("Parquet needs a library that is not here.", hint="pip install 'weyl[parquet]'") from error
    return parquet


def _pages(session: Session, kind: str, days: list[tuple[datetime, datetime]]) -> Iterator[bytes]:
    """Yield the records day by day, so that a year takes no more memory than a day."""
    for began, ended in days:
        yield session.client.send(calls.export(kind, began, ended))


def write_csv(pages: Iterable[bytes], file: Path) -> int:
    """Write pages of CSV, each with its head, into one file for people's spreadsheets; returns how many records."""
    count = 0
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for number, page in enumerate(pages):
            head, *rows = csv.reader(io.StringIO(page.decode(), newline=""))
            if number == 0:
                writer.writerow(head)
            writer.writerows([spreadsheet_cell(value) for value in row] for row in rows)
            count += len(rows)
    return count


def _period(start: str | None, end: str | None, last: str) -> tuple[datetime, datetime]:
    ended = datetime.now(UTC) if end is None else _moment(end)
    return (ended - parse_span(last) if start is None else _moment(start)), ended


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageFault(f"{text!r} is not a time.", hint="Write it as 2026-11-01 or 2026-11-01T12:00Z.") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _days(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    if start >= end:
        raise UsageFault("The period ends before it begins.", hint="Give --start and --end the other way round.")
    found = []
    while start < end:
        following = min(end, start + timedelta(days=1))
        found.append((start, following))
        start = following
    return found


def _keys(text: str, known: tuple[str, ...]) -> list[str]:
    return [_column(name.strip(), known) for name in text.split(",") if name.strip()]


def _column(name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        hint = suggestion(name, known, otherwise=f"The columns are: {', '.join(known)}.")
        raise UsageFault(f"There is no column {name!r}.", hint=hint)
    return name


def _conditions(texts: list[str] | None, known: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts or ():
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise UsageFault(f"{text!r} is no condition.", hint="Write COLUMN=VALUE[,VALUE].")
        found[_column(name.strip(), known)] = [value.strip() for value in values.split(",")]
    return found


def _names(bucket: str) -> tuple[str, ...]:
    return () if bucket == "all" else (bucket,)


def _labels(at: datetime | None, keys: dict[str, str], bucket: str) -> dict[str, Any]:
    if at is None:
        return cast("dict[str, Any]", keys)
    lengths = {"hour": 13, "day": 10, "month": 7}
    return {bucket: at.isoformat()[: lengths[bucket]].replace("T", " "), **keys}
