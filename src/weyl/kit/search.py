"""What a client may ask of a list: specs, sorting, grouping, and the periods that time filters name."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from weyl.kit.bounds import Name
from weyl.kit.errors import BadRequest
from weyl.kit.likeness import most_like

PER_PAGE_MAX = 10_000
CONDITIONS_MAX = 100
VALUES_MAX = 10_000
SORTS_MAX = 20
COLUMNS_MAX = 100
VALUE_LENGTH_MAX = 10_000
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


Value = Annotated[str, StringConstraints(max_length=VALUE_LENGTH_MAX)]


class ScalarSearchSpec(BaseModel):
    """One condition on a column: an operator and a value."""

    parameter: Name
    operator: Annotated[ScalarSearchOperator, BeforeValidator(_known_operator)]
    value: Value | int


class VectorSearchSpec(BaseModel):
    """One condition on a column: an operator and a list of values."""

    parameter: Name
    operator: Annotated[VectorSearchOperator, BeforeValidator(_known_operator)]
    values: (
        Annotated[list[Value], Field(max_length=VALUES_MAX, fail_fast=True)]
        | Annotated[list[int], Field(max_length=VALUES_MAX, fail_fast=True)]
    )


SearchSpec = ScalarSearchSpec | VectorSearchSpec


def _few_values(conditions: list[SearchSpec]) -> list[SearchSpec]:
    number = sum(len(each.values) for each in conditions if isinstance(each, VectorSearchSpec))
    if number > VALUES_MAX:
        raise PydanticCustomError(
            "too_long", "{number} values: one search takes at most {most}", {"number": number, "most": VALUES_MAX}
        )
    return conditions


Conditions = Annotated[list[SearchSpec], Field(max_length=CONDITIONS_MAX), AfterValidator(_few_values)]
Columns = Annotated[list[Name], Field(max_length=COLUMNS_MAX)]


class SortSpec(BaseModel):
    """One key of the order of a list."""

    parameter: Name
    direction: Annotated[SortDirection, BeforeValidator(_known_direction)]


class SearchParams(BaseModel):
    """What to list: columns (none means all), conditions that must all hold, order."""

    parameters: Columns | None = None
    search: Conditions = []
    sort: Annotated[list[SortSpec], Field(max_length=SORTS_MAX)] = []
    distinct: bool = False


class SummaryParams(BaseModel):
    """What to count: by which columns, under which conditions."""

    grouping: Columns
    search: Conditions = []


_VALUES = (ScalarSearchOperator.EQUAL, ScalarSearchOperator.NOT_EQUAL, *VectorSearchOperator)
_SHOWN_MAX = 60


def unknown_values(search: Iterable[SearchSpec], known: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str]]:
    """Yield, for each value that its column never has, what is wrong and what was probably meant.

    `known` are all values of the columns that have few; patterns are not looked at.
    """
    for spec in search:
        values = known.get(spec.parameter)
        if values is None or spec.operator not in _VALUES:
            continue
        for value in spec.values if isinstance(spec, VectorSearchSpec) else (spec.value,):
            if value not in values:
                spelling = {each.lower(): each for each in values}
                word = str(value).lower()
                near = [spelling[each] for each in ([word] if word in spelling else most_like(word, spelling, n=3))]
                meant = f"Did you mean: {', '.join(near)}?" if near else f"It is one of {', '.join(values)}."
                yield f"There is no {spec.parameter} {str(value)[:_SHOWN_MAX]!a}.", meant


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
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?)?(Z|[+-]\d{2}:?[0-5]\d)?)?)?)?",
    re.ASCII,
)
_RESOLUTIONS = ("year", "month", "day", "hour", "minute", "second")
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
    year, month, day, hour, minute, second, zone = match.groups()
    resolution = _RESOLUTIONS[sum(part is not None for part in (month, day, hour, minute, second))]
    try:
        start = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        if zone is not None and zone != "Z":
            start = start.replace(tzinfo=_zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    return Period(start, _end(start, resolution), resolution)


def edges(periods: Iterable[Period]) -> list[datetime]:
    """Return where any of the periods begins and where none goes on, in turns; without an end, the last goes on."""
    found: list[datetime] = []
    for period in sorted(periods, key=lambda each: each.start):
        if len(found) % 2:  # the last one goes on to the end of the calendar
            break
        if found and period.start <= found[-1]:
            end = found.pop()
            found += [] if period.end is None else [max(end, period.end)]
        else:
            found += [period.start] if period.end is None else [period.start, period.end]
    return found


def is_storable(text: str) -> bool:
    """Tell whether the database can hold a text: no NUL, nothing that is not a character."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _zone(text: str) -> timezone:
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
