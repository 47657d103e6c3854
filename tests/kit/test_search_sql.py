"""Specs as SQL, against a real table: strings for any type, periods, patterns, and what only PostgreSQL can judge."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from weyl.kit.db import Database, Tx
from weyl.kit.errors import BadRequest
from weyl.kit.search import (
    Period,
    ScalarSearchOperator,
    ScalarSearchSpec,
    SearchSpec,
    SortDirection,
    SortSpec,
    VectorSearchOperator,
    VectorSearchSpec,
    edges,
)
from weyl.kit.search_sql import BooleanOrText, Columns, order_by, search_errors, where

_VALUES: list[dict[str, Any]] = [
    {
        "i": 1,
        "big": 1,
        "name": "Alpha",
        "ok": True,
        "flag": "false",
        "at": datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
    },
    {"i": 2, "big": 2**40, "name": "alpha", "ok": False, "flag": "true", "at": datetime(2026, 2, 1, tzinfo=UTC)},
    {"i": 3, "big": -5, "name": "b%_x", "ok": True, "flag": "Failed", "at": datetime(2026, 2, 28, 10, 30, tzinfo=UTC)},
    {"i": 4, "big": 0, "name": "", "ok": False, "flag": "false", "at": None},
]
_TABLE = sa.values(
    sa.column("i", sa.Integer),
    sa.column("big", sa.BigInteger),
    sa.column("name", sa.String(32)),
    sa.column("ok", sa.Boolean),
    sa.column("flag", sa.Text),
    sa.column("at", sa.DateTime(timezone=True)),
    name="sample",
).data([tuple(value.values()) for value in _VALUES])
COLUMNS: Columns = {
    "I": _TABLE.c.i,
    "Big": _TABLE.c.big,
    "Name": _TABLE.c.name,
    "Ok": _TABLE.c.ok,
    "Flag": sa.type_coerce(_TABLE.c.flag, BooleanOrText()),
    "At": _TABLE.c.at,
}


@pytest.fixture
async def connection(db: Database) -> AsyncIterator[Tx]:
    """A connection for reads."""
    async with db.read() as tx:
        yield tx


async def _find(tx: Tx, *specs: SearchSpec) -> list[int]:
    statement = sa.select(_TABLE.c.i).where(*where(specs, COLUMNS)).order_by(_TABLE.c.i)
    async with search_errors():
        return list((await tx.execute(statement)).scalars())


def scalar(parameter: str, operator: str, value: str | int) -> ScalarSearchSpec:
    """Return a condition with one value."""
    return ScalarSearchSpec(parameter=parameter, operator=ScalarSearchOperator(operator), value=value)


def vector(parameter: str, operator: str, values: list[str] | list[int]) -> VectorSearchSpec:
    """Return a condition with several values."""
    return VectorSearchSpec(parameter=parameter, operator=VectorSearchOperator(operator), values=values)


@pytest.mark.parametrize(
    ("parameter", "operator", "value", "expected"),
    [
        ("I", "eq", "2", [2]),
        ("I", "eq", 2, [2]),
        ("I", "eq", " +2 ", [2]),
        ("I", "neq", "2", [1, 3, 4]),
        ("I", "gt", "2", [3, 4]),
        ("I", "lt", "2", [1]),
        ("I", "lt", str(2**31), [1, 2, 3, 4]),
        ("I", "eq", 2**31, []),
        ("I", "gt", -(2**31) - 1, [1, 2, 3, 4]),
        ("I", "eq", "abc", []),
        ("I", "neq", "abc", [1, 2, 3, 4]),
        ("I", "eq", "1.5", []),
        ("I", "eq", "1_0", []),
        ("I", "eq", "", []),
        ("I", "eq", "9" * 5000, []),
        ("Big", "eq", str(2**40), [2]),
        ("Big", "lt", 2**70, [1, 2, 3, 4]),
        ("Big", "neq", "9" * 30, [1, 2, 3, 4]),
        ("Name", "eq", "alpha", [2]),
        ("Name", "eq", "ALPHA", []),
        ("Name", "like", "%lpha", [1, 2]),
        ("Name", "like", "a%", [2]),
        ("Name", "like", r"b\%\_x", [3]),
        ("Name", "not like", "%lpha", [3, 4]),
        ("Name", "regex", "^[Aa]l", [1, 2]),
        ("Name", "eq", "", [4]),
        ("I", "like", "%3%", [3]),
        ("I", "regex", "^[12]$", [1, 2]),
        ("Ok", "eq", "TRUE", [1, 3]),
        ("Ok", "eq", "False", [2, 4]),
        ("Ok", "neq", 1, [2, 4]),
        ("Ok", "like", "t%", [1, 3]),
        ("Flag", "eq", "False", [1, 4]),
        ("Flag", "eq", 1, [2]),
        ("Flag", "eq", "Failed", [3]),
        ("At", "eq", "2026-02", [2, 3]),
        ("At", "neq", "2026-02", [1]),
        ("At", "gt", "2026-01", [2, 3]),
        ("At", "lt", "2026-02", [1]),
        ("At", "gt", "2026-02", []),
        ("At", "eq", "2026", [1, 2, 3]),
        ("At", "eq", "2026-02-28T10", [3]),
        ("At", "eq", "2026-02-28 11:30+01:00", [3]),
        ("At", "gt", "9999", []),
        ("At", "eq", "9999", []),
        ("At", "eq", 2026, [1, 2, 3]),
    ],
)
async def test_values_are_converted_by_the_type_of_the_column(
    connection: Tx, parameter: str, operator: str, value: str | int, expected: list[int]
) -> None:
    assert await _find(connection, scalar(parameter, operator, value)) == expected


@pytest.mark.parametrize(
    ("parameter", "operator", "values", "expected"),
    [
        ("I", "in", ["1", "3"], [1, 3]),
        ("I", "not in", [1, 3], [2, 4]),
        ("I", "in", [1, 2**90], [1]),
        ("I", "not in", [2**90], [1, 2, 3, 4]),
        ("I", "in", ["1", "x"], [1]),
        ("I", "in", ["x", "y"], []),
        ("I", "not in", ["1", "x"], [2, 3, 4]),
        ("I", "in", [], []),
        ("At", "in", [], []),
        ("Name", "not in", [], [1, 2, 3, 4]),
        ("Name", "in", ["Alpha", ""], [1, 4]),
        ("Ok", "in", ["true", "false"], [1, 2, 3, 4]),
        ("Flag", "in", ["TRUE", "Failed"], [2, 3]),
        ("At", "in", ["2026-01-31", "2026-02-28"], [1, 3]),
        ("At", "not in", ["2026-01-31", "2026-02-28"], [2]),
    ],
)
async def test_lists_of_values_are_one_array(
    connection: Tx, parameter: str, operator: str, values: Any, expected: list[int]
) -> None:
    assert await _find(connection, vector(parameter, operator, values)) == expected


async def test_all_conditions_must_hold(connection: Tx) -> None:
    assert await _find(connection, scalar("I", "gt", 1), scalar("Ok", "eq", "true")) == [3]


@pytest.mark.parametrize(
    "spec",
    [
        scalar("Nothing", "eq", "1"),
        scalar("I", "gt", "one"),
        scalar("I", "lt", "1.0"),
        scalar("I", "gt", "1_0"),
        scalar("I", "lt", ""),
        scalar("I", "lt", "9" * 5000),
        scalar("Ok", "eq", "yes"),
        scalar("Name", "eq", "a\x00b"),
        scalar("Name", "like", "a\x00b"),
        scalar("At", "eq", "2026-13"),
        scalar("At", "eq", "now"),
        scalar("At", "like", "2026%"),
        scalar("At", "regex", "2026"),
        scalar("Name", "regex", "("),
        scalar("I", "regex", "*"),
        scalar("Name", "like", "alpha\\"),
        vector("At", "in", ["2026", "2026-01"]),
    ],
)
async def test_what_makes_no_sense_is_refused(connection: Tx, spec: SearchSpec) -> None:
    with pytest.raises(BadRequest):
        await _find(connection, spec)


async def test_a_text_that_looks_like_sql_is_only_a_text(connection: Tx) -> None:
    assert await _find(connection, scalar("Name", "eq", "' OR true --")) == []
    with pytest.raises(BadRequest):
        await _find(connection, scalar("Name; DROP TABLE jobs", "eq", "x"))


async def test_rows_are_sorted_by_all_keys_and_at_last_by_the_one_that_tells_them_apart(connection: Tx) -> None:
    async def names(*sorts: SortSpec, last: str | None = "I") -> list[int]:
        statement = sa.select(_TABLE.c.i).order_by(*order_by(sorts, COLUMNS, last=last))
        return list((await connection.execute(statement)).scalars())

    down, up = SortDirection.DESC, SortDirection.ASC
    assert await names() == [1, 2, 3, 4]
    assert await names(SortSpec(parameter="I", direction=down)) == [4, 3, 2, 1]
    assert await names(SortSpec(parameter="Ok", direction=up)) == [2, 4, 1, 3]
    assert await names(SortSpec(parameter="Ok", direction=up), SortSpec(parameter="I", direction=down)) == [4, 2, 3, 1]
    with pytest.raises(BadRequest):
        await names(SortSpec(parameter="Nothing", direction=up))


@pytest.mark.parametrize("operator", VectorSearchOperator)
async def test_ten_thousand_times_are_one_value_of_the_statement(
    connection: Tx, operator: VectorSearchOperator
) -> None:
    start = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
    times = [f"{start + timedelta(seconds=2 * number):%Y-%m-%d %H:%M:%S}" for number in range(10_000)]
    spec = VectorSearchSpec(parameter="At", operator=operator, values=times)
    [clause] = where([spec], COLUMNS)
    assert len(clause.compile().params) <= 5
    shown = await _find(connection, spec)
    assert shown == ([2] if operator is VectorSearchOperator.IN else [1, 3])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10) | st.none()), max_size=8), st.integers(0, 60))
def test_a_time_is_inside_where_the_number_of_edges_before_it_is_odd(
    spans: list[tuple[int, int | None]], at: int
) -> None:
    def day(number: int) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)

    periods = [Period(day(a), None if length is None else day(a + length), "day") for a, length in spans]
    found = edges(periods)
    assert found == sorted(set(found))
    inside = any(a <= at and (length is None or at < a + length) for a, length in spans)
    assert (sum(edge <= day(at) for edge in found) % 2 == 1) == inside
