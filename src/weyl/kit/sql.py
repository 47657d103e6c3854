"""SQL: texts with named parameters, statements of Core on the driver, and rows that are typed as they leave."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import is_dataclass
from operator import itemgetter
from textwrap import dedent
from typing import Any, Generic, TypeVar, cast, get_origin, is_typeddict, overload

import asyncpg
from cachetools import LRUCache
from sqlalchemy import Executable

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.pool import driver_of

Row = TypeVar("Row")

WireRow = dict[str, Any]
"""A row as it goes over the wire whose columns the caller has chosen; any other row has a type of its own."""

_PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
_COMMENT = re.compile(r"\s*--.*")


class Sql(Generic[Row]):
    """A statement as a block of text with comments and named parameters (`:name`), and the type of its rows.

    It is numbered once for PostgreSQL ($1, $2, ..) and runs on asyncpg's connection, which takes a third of the CPU
    of SQLAlchemy's `execute`. A row is a NamedTuple, a dataclass or a TypedDict of the columns, a tuple of types, or,
    where there is one column, the type of its values; a test compares it with what PostgreSQL says of the statement.
    JSON is read on its way here and given as text on its way there. Errors are asyncpg's.
    """

    @overload
    def __init__(self: "Sql[None]", text: str) -> None: ...

    @overload
    def __init__(self, text: str, row: type[Row]) -> None: ...

    def __init__(self, text: str, row: Any = None) -> None:
        plain = dedent(_COMMENT.sub("", text)).strip()
        numbers = {name: f"${number}" for number, name in enumerate(dict.fromkeys(_PARAMETER.findall(plain)), 1)}
        self.text = _PARAMETER.sub(lambda found: numbers[found[1]], plain)
        self.names = tuple(numbers)
        self.row = row
        self._make = _maker(row)

    async def rows(self, tx: Tx, **values: object) -> list[Row]:
        """Return the rows."""
        records = await _sent(tx, driver_of(tx).fetch, self.text, self._arguments(values))
        return list(map(self._make, records))

    async def first(self, tx: Tx, **values: object) -> Row | None:
        """Return the first row, if there is one."""
        rows = await self.rows(tx, **values)
        return rows[0] if rows else None

    async def one(self, tx: Tx, **values: object) -> Row:
        """Return the row of a statement that returns one, whatever there is."""
        [row] = await self.rows(tx, **values)
        return row

    async def run(self, tx: Tx, **values: object) -> int:
        """Run a statement whose rows nobody asks for; returns how many it has changed."""
        done = await _sent(tx, driver_of(tx).execute, self.text, self._arguments(values))
        count = done.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def _arguments(self, values: dict[str, object]) -> list[object]:
        assert len(values) == len(self.names), f"{sorted(values)} given, {sorted(self.names)} needed"
        return [values[name] for name in self.names]


def _maker(row: Any) -> Callable[[Any], Any]:
    """Return what makes a row of a record of asyncpg."""
    made: Callable[..., Any] = row
    if hasattr(row, "_make"):
        return cast("Callable[[Any], Any]", row._make)
    if is_typeddict(row):
        return dict
    if is_dataclass(row):
        return lambda record: made(*record)
    return tuple if get_origin(row) is tuple else itemgetter(0)


async def fetch_as(tx: Tx, row: type[Row], statement: Executable) -> list[Row]:
    """Run a statement of Core that returns the fields of a NamedTuple or a TypedDict, in their order."""
    result = await tx.execute(statement)
    if is_typeddict(row):
        assert set(result.keys()) == row.__annotations__.keys(), "the columns of the row"
        return cast("list[Row]", [dict(each) for each in result.mappings()])
    make = cast(Any, row)
    assert tuple(result.keys()) == make._fields, "the columns of the row, in their order"
    return list(map(make._make, result))


async def first_as(tx: Tx, row: type[Row], statement: Executable) -> Row | None:
    """Return the first row of a statement of Core, if there is one."""
    rows = await fetch_as(tx, row, statement)
    return rows[0] if rows else None


async def fetch(tx: Tx, statement: Executable) -> list[asyncpg.Record]:
    """Run a statement of Core that returns rows on asyncpg's connection: a third of the CPU that `execute` takes.

    For hot reads only. Columns come as asyncpg gives them, and errors are asyncpg's. The compiled form is kept by the
    statement's shape, as `execute` does it; what is saved are the layers around the cursor.
    """
    return await _fetch(tx, statement)


async def estimate(tx: Tx, statement: Executable) -> int:
    """Return how many rows PostgreSQL expects of a statement."""
    [(told,)] = await _fetch(tx, statement, "EXPLAIN (FORMAT JSON) ")
    # As text or read already: connections differ in how they take JSON.
    [plan] = json.loads(told) if isinstance(told, str | bytes) else told
    return int(plan["Plan"]["Plan Rows"])


async def _fetch(tx: Tx, statement: Executable, prefix: str = "") -> list[asyncpg.Record]:
    dialect = tx.sync_engine.dialect
    compiled, extracted, *_ = cast(Any, statement)._compile_w_cache(
        dialect, compiled_cache=_COMPILED, column_keys=[], for_executemany=False, schema_translate_map=None
    )
    values = compiled.construct_params(extracted_parameters=extracted)
    processors = compiled._bind_processors
    arguments = [
        processors[name](values[name]) if name in processors else values[name] for name in compiled.positiontup or ()
    ]
    text = prefix + compiled.string
    return cast("list[asyncpg.Record]", await _sent(tx, driver_of(tx).fetch, text, arguments))


_COMPILED: Any = LRUCache(512)


async def _sent(tx: Tx, send: Callable[..., Awaitable[Any]], text: str, arguments: list[object]) -> Any:
    """Send a statement on the driver; who watches the engine (counts of tests, spans) sees it like any other."""
    below = tx.sync_connection
    assert below is not None, "a connection that is open"
    before, after = below.dispatch.before_cursor_execute, below.dispatch.after_cursor_execute
    if before:
        before(below, None, text, arguments, None, False)
    answer = await send(text, *arguments)
    if after:
        after(below, None, text, arguments, None, False)
    return answer
