"""Series for plots: one value over time, for the largest of what it is split by and all others together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

BUCKETS_MAX = 5_000
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Value:
    """What a plot shows: a sum, or one sum divided by another."""

    sum: str
    by: str | None = None
    unit: str = ""


JOB_VALUES = {
    "jobs": Value("jobs"),
    "wall_s": Value("wall_s", unit="s"),
    "cpu_s": Value("cpu_s", unit="s"),
    "core_s": Value("core_s", unit="s"),
    "efficiency": Value("cpu_s", "core_s"),
    "mean_wall_s": Value("wall_s", "jobs", unit="s"),
}
PILOT_VALUES = {
    "pilots": Value("pilots"),
    "empty": Value("empty"),
    "jobs": Value("jobs"),
    "wall_s": Value("wall_s", unit="s"),
    "job_wall_s": Value("job_wall_s", unit="s"),
    "efficiency": Value("job_wall_s", "wall_s"),
    "empty_fraction": Value("empty", "pilots"),
}


def buckets_of(start: datetime, end: datetime, bucket: str) -> list[datetime]:
    """Return when each bucket of a period starts, in UTC; never more than one above `BUCKETS_MAX`."""
    at = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    at = at if bucket == "hour" else at.replace(hour=0)
    at = at.replace(day=1) if bucket == "month" else at
    found: list[datetime] = []
    while at < end and len(found) <= BUCKETS_MAX:
        found.append(at)
        at = _next(at, bucket)
    return found


def _next(at: datetime, bucket: str) -> datetime:
    if bucket == "month":
        return (at + timedelta(days=31)).replace(day=1)
    return at + (timedelta(hours=1) if bucket == "hour" else timedelta(days=1))


def series_of(
    rows: Sequence[Mapping[str, Any]], value: Value, buckets: Sequence[datetime], *, is_split: bool, normalised: bool
) -> list[dict[str, Any]]:
    """Return a series for each name, the largest first and all others last; in a quotient nothing is null, not zero."""
    places = {at: number for number, at in enumerate(buckets)}
    upper: dict[str | None, list[float]] = {}
    lower: dict[str | None, list[float]] = {}
    for row in rows:
        number = places[row["bucket"].astimezone(UTC)]
        for sums, name in ((upper, value.sum), (lower, value.by)):
            line = sums.setdefault(row["name"], [0.0] * len(buckets))
            line[number] += float(row[name]) if name is not None else 0.0
    totals = [sum(line[number] for line in upper.values()) for number in range(len(buckets))]
    found = [
        {
            "name": (OTHER if name is None else name) if is_split else "all",
            "is_other": is_split and name is None,
            "total": _quotient(sum(line), sum(lower[name])) if value.by else sum(line),
            "values": _values(line, lower[name] if value.by else totals if normalised else None),
        }
        for name, line in upper.items()
    ]
    return sorted(found, key=lambda each: (each["is_other"], -sum(upper[_key(each, is_split=is_split)]), each["name"]))


def _key(series: Mapping[str, Any], *, is_split: bool) -> str | None:
    return None if series["is_other"] or not is_split else str(series["name"])


def _values(line: Sequence[float], divisors: Sequence[float] | None) -> list[float | None]:
    if divisors is None:
        return list(line)
    return [_quotient(amount, divisor) for amount, divisor in zip(line, divisors, strict=True)]


def _quotient(amount: float, divisor: float) -> float | None:
    return amount / divisor if divisor else None


def table_of(series: Sequence[Mapping[str, Any]], buckets: Sequence[datetime]) -> list[list[object]]:
    """Return series as a table: a row for each bucket, a column for each series, the names in the first row."""
    head: list[object] = ["bucket", *(each["name"] for each in series)]
    return [head, *([at, *(each["values"][number] for each in series)] for number, at in enumerate(buckets))]
