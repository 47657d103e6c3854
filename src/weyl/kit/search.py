"""What a client may ask of a list: specs, sorting, grouping, and the periods that time filters name."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from weyl.kit.errors import BadRequest

PER_PAGE_MAX = 10_000
# No page begins behind this row: no table is that long, and the database takes no larger number.
FIRST_MAX = 1 << 60


class ScalarSearchOperator(StrEnum):
    """How a column is compared with one value."""

    EQUAL = "eq"
    NOT_EQUAL = "neq"
    GREATER_THAN = "gt"
    LESS_THAN = "lt"
    LIKE = "like"
    NOT_LIKE = "not like"
    REGEX = "regex"


class VectorSearchOperator(StrEnum):
    """How a column is compared with a list of values."""

    IN = "in"
    NOT_IN = "not in"


class SortDirection(StrEnum):
    """Which end of an order comes first."""

    ASC = "asc"
    DESC = "desc"


def _known_operator(name: object) -> object:
    """A word that is no operator at all is a mistake of the one who searches, not a malformed request."""
    if isinstance(name, str) and name not in _OPERATORS:
        raise BadRequest(f"There is no operator {name!r}; the operators are {', '.join(_OPERATORS)}")
    return name


def _known_direction(name: object) -> object:
    if isinstance(name, str) and name not in list(SortDirection):
        raise BadRequest(f"There is no direction {name!r}: sort 'asc' or 'desc'")
    return name


_OPERATORS = [*ScalarSearchOperator, *VectorSearchOperator]


class ScalarSearchSpec(BaseModel):
    """One condition on a column: an operator and a value."""

    parameter: str
    operator: Annotated[ScalarSearchOperator, BeforeValidator(_known_operator)]
    value: str | int


class VectorSearchSpec(BaseModel):
    """One condition on a column: an operator and a list of values."""

    parameter: str
    operator: Annotated[VectorSearchOperator, BeforeValidator(_known_operator)]
    values: list[str] | list[int]


SearchSpec = ScalarSearchSpec | VectorSearchSpec


class SortSpec(BaseModel):
    """One key of the order of a list."""

    parameter: str
    direction: Annotated[SortDirection, BeforeValidator(_known_direction)]


class SearchParams(BaseModel):
    """What to list: columns (none means all), conditions that must all hold, order."""

    parameters: list[str] | None = None
    search: list[SearchSpec] = []
    sort: list[SortSpec] = []
    distinct: bool = False


class SummaryParams(BaseModel):
    """What to count: by which columns, under which conditions."""

    grouping: list[str]
    search: list[SearchSpec] = []


_FINDS = (ScalarSearchOperator.EQUAL, VectorSearchOperator.IN)
_PATTERNS = (ScalarSearchOperator.LIKE, ScalarSearchOperator.NOT_LIKE, ScalarSearchOperator.REGEX)


def may_scan(search: Sequence[SearchSpec], sort: Sequence[SortSpec], *, indexed: Collection[str], order: str) -> bool:
    """Tell whether a search may have to look at every row, or takes whatever time a pattern does.

    `indexed` are the columns that find rows at once, `order` is the one whose order costs nothing.
    """
    if any(spec.operator in _PATTERNS for spec in search) or any(key.parameter != order for key in sort):
        return True
    return bool(search) and not any(spec.operator in _FINDS and spec.parameter in indexed for spec in search)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time named by a text, as `2026-11` names a month; no end means the end of the calendar."""

    start: datetime
    end: datetime | None
    resolution: str


_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d{1,6})?)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?[0-5]\d)?)?)?)?",
    re.ASCII,
)
_RESOLUTIONS = ("second", "minute", "hour", "day", "month", "year")
_STEPS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


def parse_period(text: str) -> Period:
    """Read the text of a time filter; raises ValueError with a sentence for the one who wrote it."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time: write YYYY[-MM[-DD[ HH[:MM[:SS]]]]], in UTC or with an offset")
    resolution = next(name for name in _RESOLUTIONS if match[name] is not None)
    fields = {name: int(match[name]) for name in _RESOLUTIONS if match[name] is not None}
    try:
        start = datetime(**({"month": 1, "day": 1} | fields), tzinfo=_zone(match["zone"])).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    return Period(start, _end(start, resolution), resolution)


def is_storable(text: str) -> bool:
    """Tell whether the database can hold a text: no NUL, nothing that is not a character."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _end(start: datetime, resolution: str) -> datetime | None:
    try:
        if resolution == "year":
            return start.replace(year=start.year + 1)
        if resolution == "month":
            return (start.replace(day=1) + timedelta(days=31)).replace(day=1)
        return start + _STEPS[resolution]
    except (ValueError, OverflowError):
        return None
