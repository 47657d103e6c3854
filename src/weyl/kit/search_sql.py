"""Search specs as SQL: WHERE and ORDER BY clauses over the columns that a room offers under their wire names."""

import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg.exceptions import PostgresError
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import BigInteger

from weyl.kit.db import sqlstate
from weyl.kit.errors import BadRequest
from weyl.kit.paging import NO_CURSOR, Cursor
from weyl.kit.search import (
    Period,
    ScalarSearchOperator,
    ScalarSearchSpec,
    SearchSpec,
    SortDirection,
    SortSpec,
    VectorSearchOperator,
    edges,
    is_storable,
    parse_period,
)

Columns = Mapping[str, ColumnElement[Any]]
"""The columns of a room by their wire names, in the order of the wire."""

# What PostgreSQL says of a pattern that only it can judge, and of a text that it cannot store and so cannot hold.
_BAD_PATTERN = {"2201B": "the regular expression is not valid", "22025": "the pattern ends with its escape character"}
_TOO_LONG = "57014"
_INTEGER_BITS = ((SmallInteger, 15), (BigInteger, 63), (Integer, 31))


_WHOLE_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)


class BooleanOrText(TypeDecorator[str]):
    """Marks a text column that holds `true`, `false` or a word; filters may name the first two in any case."""

    impl = Text
    cache_ok = True


@dataclass(frozen=True, slots=True)
class _Outside:
    """A whole number that the column cannot hold; compared as a number of any size."""

    value: int


class _NoNumber(BadRequest):
    """A text beside a column of numbers: no row holds it, and it comes before and after none."""


def where(specs: Sequence[SearchSpec], columns: Columns) -> list[ColumnElement[bool]]:
    """Turn specs into clauses that must all hold; raises `BadRequest` for what makes no sense."""
    return [_clause(spec, pick(columns, spec.parameter)) for spec in specs]


def order_by(sorts: Sequence[SortSpec], columns: Columns, *, last: str | None) -> list[ColumnElement[Any]]:
    """Turn sort keys into ORDER BY terms; `last` is added as the final key, so that pages are stable."""
    terms = [_direct(pick(columns, sort.parameter), sort.direction) for sort in sorts]
    if last is not None and all(sort.parameter != last for sort in sorts):
        terms.append(columns[last].asc())
    return terms


def behind(cursor: Cursor, columns: Columns) -> ColumnElement[bool]:
    """Return the clause that keeps the rows behind a place in an order; nulls are the largest, as PostgreSQL has it."""
    steps: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(cursor.keys, cursor.values, strict=True):
        column = pick(columns, key.parameter)
        held = _held(value, column)
        steps.append(and_(*same, _beyond(column, held, key.direction)))
        same.append(column.is_(None) if held is None else column == held)
    first, value, column = cursor.keys[0], cursor.values[0], pick(columns, cursor.keys[0].parameter)
    # Follows from the steps, and lets an index begin where the page does.
    bound = true() if value is None else or_(_beyond(column, _held(value, column), first.direction), same[0])
    return and_(bound, or_(*steps)) if len(steps) > 1 else steps[0]


def _beyond(column: ColumnElement[Any], held: Any, direction: SortDirection) -> ColumnElement[bool]:
    if direction is SortDirection.DESC:
        return column.is_not(None) if held is None else column < held
    if held is None:
        return false()
    return or_(column > held, column.is_(None)) if getattr(column, "nullable", True) else column > held


def _held(value: Any, column: ColumnElement[Any]) -> Any:
    """Return a value of a cursor as its column takes it; cursors are in the hands of clients."""
    if value is None:
        return None
    kinds: tuple[type, ...] = (str,)
    if isinstance(column.type, DateTime):
        kinds = (datetime,)
    elif isinstance(column.type, Boolean):
        kinds = (bool,)
    elif isinstance(column.type, Integer):
        kinds = (int,)
    elif isinstance(column.type, Numeric):
        kinds = (int, float)
    is_held = isinstance(value, kinds) and not (isinstance(value, datetime) and value.tzinfo is None)
    if is_held and isinstance(column.type, Integer):
        is_held = not isinstance(_integer(value, column.type, "cursor"), _Outside)
    if not is_held:
        raise BadRequest(NO_CURSOR)
    return bindparam(None, value, type_=column.type)


def pick(columns: Columns, name: str) -> ColumnElement[Any]:
    """Give the column of a wire name; raises `BadRequest` for a name that does not exist."""
    try:
        return columns[name]
    except KeyError:
        raise BadRequest(f"There is no column {name!r}; the columns are {', '.join(columns)}") from None


@asynccontextmanager
async def search_errors() -> AsyncIterator[None]:
    """Turn what PostgreSQL says of a bad pattern, or of a search without end, into a 400."""
    try:
        yield
    except (DBAPIError, PostgresError) as error:
        state = sqlstate(error)
        if state in _BAD_PATTERN:
            said = error.orig if isinstance(error, DBAPIError) else error
            raise BadRequest(f"Search refused: {_BAD_PATTERN[state]} ({said})") from None
        if state == _TOO_LONG:
            raise BadRequest("The search took too long: add conditions, or make the pattern simpler") from None
        raise


def _direct(column: ColumnElement[Any], direction: SortDirection) -> ColumnElement[Any]:
    return column.desc() if direction is SortDirection.DESC else column.asc()


def _clause(spec: SearchSpec, column: ColumnElement[Any]) -> ColumnElement[bool]:
    if not isinstance(spec, ScalarSearchSpec):
        return _vector_clause(column, spec.parameter, spec.operator, spec.values)
    if spec.operator in _PATTERNS:
        if isinstance(column.type, DateTime):
            raise BadRequest(f"{spec.parameter} is a time: {spec.operator.value!r} does not apply to it")
        return _PATTERNS[spec.operator](_as_text(column), _pattern(spec))
    if isinstance(column.type, DateTime):
        return _time_clause(column, spec.operator, _period(spec.value, spec.parameter))
    try:
        value = _convert(spec.value, column, spec.parameter)
    except _NoNumber:
        if spec.operator is ScalarSearchOperator.EQUAL:
            return false()
        if spec.operator is ScalarSearchOperator.NOT_EQUAL:
            return column.is_not(None)
        raise
    if isinstance(value, _Outside):
        return _COMPARISONS[spec.operator](cast(column, Numeric), literal(value.value, Numeric))
    return _COMPARISONS[spec.operator](column, bindparam(None, value, type_=column.type))


_Comparison = Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
_COMPARISONS: dict[ScalarSearchOperator, _Comparison] = {
    ScalarSearchOperator.EQUAL: lambda column, value: column == value,
    ScalarSearchOperator.NOT_EQUAL: lambda column, value: column != value,
    ScalarSearchOperator.GREATER_THAN: lambda column, value: column > value,
    ScalarSearchOperator.LESS_THAN: lambda column, value: column < value,
}
_PATTERNS: dict[ScalarSearchOperator, _Comparison] = {
    ScalarSearchOperator.LIKE: lambda column, value: column.like(value),
    ScalarSearchOperator.NOT_LIKE: lambda column, value: column.not_like(value),
    ScalarSearchOperator.REGEX: lambda column, value: column.regexp_match(value),
}


def _pattern(spec: ScalarSearchSpec) -> str:
    """Refuse a LIKE pattern without end here: PostgreSQL does only if a row comes that far."""
    pattern = _text(spec.value, spec.parameter)
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    if backslashes % 2 and spec.operator is not ScalarSearchOperator.REGEX:
        raise BadRequest(f"{spec.parameter}: the pattern ends with its escape character; write two of them for one")
    return pattern


def _vector_clause(
    column: ColumnElement[Any], parameter: str, operator: VectorSearchOperator, values: Sequence[str | int]
) -> ColumnElement[bool]:
    if not values:
        return false() if operator is VectorSearchOperator.IN else true()
    if isinstance(column.type, DateTime):
        return _times_clause(column, operator, [_period(value, parameter) for value in values])
    # What the column cannot hold is equal to nothing that it holds.
    among = column == _any(list(_holdable(values, column, parameter)), column)
    return among if operator is VectorSearchOperator.IN else not_(among)


def _holdable(values: Sequence[str | int], column: ColumnElement[Any], parameter: str) -> Iterator[Any]:
    for value in values:
        try:
            converted = _convert(value, column, parameter)
        except _NoNumber:
            continue
        if not isinstance(converted, _Outside):
            yield converted


def _any(values: list[Any], column: ColumnElement[Any]) -> ColumnElement[Any]:
    """One array instead of a bind a value: the statement stays the same for any number of values."""
    return bindparam(None, values, type_=ARRAY(column.type)).any_()


def _time_clause(column: ColumnElement[Any], operator: ScalarSearchOperator, period: Period) -> ColumnElement[bool]:
    match operator:
        case ScalarSearchOperator.EQUAL:
            return _inside(column, period)
        case ScalarSearchOperator.NOT_EQUAL:
            return not_(_inside(column, period))
        case ScalarSearchOperator.GREATER_THAN:
            return false() if period.end is None else column >= _at(period.end)
        case _:
            return column < _at(period.start)


def _times_clause(
    column: ColumnElement[Any], operator: VectorSearchOperator, periods: Sequence[Period]
) -> ColumnElement[bool]:
    if len({period.resolution for period in periods}) > 1:
        raise BadRequest("The times of one list must have one resolution: all days, or all hours, and so on")
    found = edges(periods)
    # The bucket of a time is the number of edges that are not after it; it is odd inside of a period. One array and one
    # look-up of log n steps, where an `OR` of 10,000 ranges takes seconds to write down and as long for each row.
    bucket = func.width_bucket(column, bindparam(None, found, type_=ARRAY(DateTime(timezone=True))), type_=Integer())
    inside = bucket % 2 == 1
    if operator is VectorSearchOperator.NOT_IN:
        return not_(inside)
    return (
        and_(column >= _at(found[0]), inside)
        if len(found) % 2
        else and_(column >= _at(found[0]), column < _at(found[-1]), inside)
    )


def _inside(column: ColumnElement[Any], period: Period) -> ColumnElement[bool]:
    if period.end is None:
        return column >= _at(period.start)
    return and_(column >= _at(period.start), column < _at(period.end))


def _at(at: datetime) -> ColumnElement[datetime]:
    return literal(at, DateTime(timezone=True))


def _period(value: str | int, parameter: str) -> Period:
    try:
        return parse_period(str(value))
    except ValueError as error:
        raise BadRequest(f"{parameter}: {error}") from None


def _as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return column if isinstance(column.type, String | BooleanOrText) else cast(column, Text)


def _convert(value: str | int, column: ColumnElement[Any], parameter: str) -> Any:
    if isinstance(column.type, Boolean):
        return _boolean(value, parameter)
    if isinstance(column.type, Integer):
        return _integer(value, column.type, parameter)
    if isinstance(column.type, Float | Numeric):
        return _number(value, parameter)
    if isinstance(column.type, BooleanOrText):
        return _boolean_or_text(value, parameter)
    return _text(value, parameter)


def _boolean(value: str | int, parameter: str) -> bool:
    match str(value).lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise BadRequest(f"{parameter}: {value!r} is not true or false")


def _boolean_or_text(value: str | int, parameter: str) -> str:
    text = _text(value, parameter)
    return {"1": "true", "0": "false"}.get(text.lower(), text.lower() if text.lower() in ("true", "false") else text)


def _integer(value: str | int, column_type: Integer, parameter: str) -> int | _Outside:
    try:
        number = int(value) if isinstance(value, int) or _WHOLE_NUMBER.fullmatch(value.strip()) else None
    except ValueError:  # more digits than Python converts
        number = None
    if number is None:
        raise _NoNumber(f"{parameter}: {str(value)[:100]!r} is not a whole number")
    bits = next(bits for kind, bits in _INTEGER_BITS if isinstance(column_type, kind))
    return number if -(1 << bits) <= number < 1 << bits else _Outside(number)


def _number(value: str | int, parameter: str) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _NoNumber(f"{parameter}: {str(value)[:100]!r} is not a number")
    return number


def _text(value: str | int, parameter: str) -> str:
    text = str(value)
    if not is_storable(text):
        raise BadRequest(f"{parameter}: a text cannot hold NUL characters or single surrogates")
    return text
