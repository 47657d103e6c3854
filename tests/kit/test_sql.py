"""Texts of SQL with named parameters, and typed rows."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import pytest
import sqlalchemy as sa

from weyl.kit.db import Database, Tx
from weyl.kit.sql import Sql, fetch_as


class Pair(NamedTuple):
    left: int
    right: str | None


@dataclass
class Kept:
    left: int
    right: str | None


class Shown(TypedDict):
    left: int
    right: str | None


PAIRS = """
    -- a comment with a :name, which is none
    SELECT l AS left, r AS right  -- as they are
    FROM unnest(CAST(:left AS integer[]), CAST(:right AS text[])) AS pair (l, r)
    WHERE l <> :left_out OR :left_out = 0::integer
"""


def test_parameters_are_numbered_as_they_come_and_comments_stay_here() -> None:
    statement = Sql(PAIRS, Pair)
    assert statement.names == ("left", "right", "left_out")
    assert statement.text == (
        "SELECT l AS left, r AS right\n"
        "FROM unnest(CAST($1 AS integer[]), CAST($2 AS text[])) AS pair (l, r)\n"
        "WHERE l <> $3 OR $3 = 0::integer"
    )


async def test_a_row_is_what_the_statement_says(tx: Tx) -> None:
    values: dict[str, Any] = {"left": [1, 2], "right": ["a", None], "left_out": 0}
    assert await Sql(PAIRS, Pair).rows(tx, **values) == [Pair(1, "a"), Pair(2, None)]
    assert await Sql(PAIRS, Shown).rows(tx, **values) == [{"left": 1, "right": "a"}, {"left": 2, "right": None}]
    assert await Sql(PAIRS, Kept).rows(tx, **values) == [Kept(1, "a"), Kept(2, None)]
    assert await Sql(PAIRS, tuple[int, str]).rows(tx, **values) == [(1, "a"), (2, None)]
    assert await Sql(PAIRS, int).rows(tx, **values) == [1, 2]


async def test_the_first_row_may_be_missing_and_the_one_row_may_not(tx: Tx) -> None:
    some = Sql("SELECT n FROM generate_series(1, CAST(:last AS integer)) AS n", int)
    assert await some.first(tx, last=0) is None
    assert await some.first(tx, last=2) == 1
    assert await some.one(tx, last=1) == 1
    with pytest.raises(ValueError, match="not enough values"):
        await some.one(tx, last=0)


async def test_json_is_read_on_its_way_here_and_text_on_its_way_there(tx: Tx) -> None:
    statement = Sql("SELECT CAST(:value AS jsonb) AS value", dict[str, list[int]])
    assert await statement.one(tx, value='{"a": [1]}') == {"a": [1]}
    assert await statement.one(tx, value=None) is None


async def test_a_statement_without_rows_says_how_many_it_has_changed(tx: Tx) -> None:
    await Sql("CREATE TEMPORARY TABLE numbers (n integer)").run(tx)
    assert await Sql("INSERT INTO numbers SELECT generate_series(1, CAST(:last AS integer))").run(tx, last=5) == 5
    assert await Sql("UPDATE numbers SET n = 0 WHERE n > 2").run(tx) == 3
    assert await Sql("DELETE FROM numbers WHERE n = :n").run(tx, n=7) == 0


async def test_a_missing_parameter_and_one_too_many_are_mistakes(tx: Tx) -> None:
    statement = Sql("SELECT CAST(:n AS integer)", int)
    with pytest.raises(AssertionError, match=r"\['n'\] needed"):
        await statement.rows(tx)
    with pytest.raises(AssertionError, match=r"\['m', 'n'\] given"):
        await statement.rows(tx, n=1, m=2)
    with pytest.raises(KeyError):
        await statement.rows(tx, m=2)


async def test_a_text_is_counted_like_any_statement(db: Database) -> None:
    with db.count_statements() as count:
        async with db.read() as tx:
            await Sql("SELECT CAST(:n AS integer)", int).one(tx, n=1)
            await Sql("SELECT 2").run(tx)
    assert count.statements == ["SELECT CAST($1 AS integer)", "SELECT 2"]


async def test_rows_of_core_are_typed_by_their_columns(tx: Tx) -> None:
    both = sa.select(sa.literal(1).label("left"), sa.literal("a").label("right"))
    assert await fetch_as(tx, Pair, both) == [Pair(1, "a")]
    assert await fetch_as(tx, Shown, both) == [{"left": 1, "right": "a"}]
    other = sa.select(sa.literal("a").label("right"), sa.literal(1).label("left"))
    with pytest.raises(AssertionError):
        await fetch_as(tx, Pair, other)
