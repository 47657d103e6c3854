"""PostgreSQL says of every text of SQL that it understands it, and returns what its row says."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import pytest

import weyl
from weyl.kit.db import Tx, driver_connection
from weyl.kit.sql import Sql

TYPES: dict[str, type] = {
    **dict.fromkeys(("int2", "int4", "int8"), int),
    **dict.fromkeys(("text", "varchar", "bpchar"), str),
    **dict.fromkeys(("float4", "float8"), float),
    "bool": bool,
    "bytea": bytes,
    "interval": timedelta,
    "numeric": Decimal,
    "timestamptz": datetime,
    "uuid": UUID,
}


def statements() -> dict[str, Sql[Any]]:
    """Return every statement that a module holds, by a name for messages."""
    modules = [name for _, name, _ in pkgutil.walk_packages(weyl.__path__, "weyl.") if ".queries" in name]
    found: dict[str, Sql[Any]] = {}
    for module in modules:
        for name, value in vars(importlib.import_module(module)).items():
            if not name.startswith("__"):
                found |= {f"{module}.{name}{place}": each for place, each in _in(value)}
    return found


def _in(value: object) -> Iterator[tuple[str, Sql[Any]]]:
    if isinstance(value, Sql):
        yield "", value
    elif isinstance(value, dict):
        yield from ((f"[{key}]{place}", each) for key, one in value.items() for place, each in _in(one))
    elif isinstance(value, list | tuple):
        yield from ((f"[{key}]{place}", each) for key, one in enumerate(value) for place, each in _in(one))


def _columns(row: Any) -> dict[str, Any] | list[Any]:
    """Return the types of a row: by name, or those of a tuple or of one column in their order."""
    if hasattr(row, "_fields") or is_typeddict(row) or is_dataclass(row):
        return get_type_hints(row)
    return list(get_args(row)) if get_origin(row) is tuple else [row]


def _fits(declared: Any, element: str, *, is_array: bool) -> bool:
    """Tell whether a declared type, with or without none, is what a column gives; JSON may be anything."""
    if element == "jsonb":
        return True
    if get_origin(declared) in (Union, UnionType):
        kinds = [each for each in get_args(declared) if each is not NoneType]
        return len(kinds) == 1 and _fits(kinds[0], element, is_array=is_array)
    if is_array:
        return get_origin(declared) is list and _fits(get_args(declared)[0], element, is_array=False)
    return TYPES.get(element) is declared


@pytest.mark.parametrize("name", sorted(statements()))
async def test_a_statement_returns_what_its_row_says(name: str, tx: Tx) -> None:
    statement = statements()[name]
    prepared = await (await driver_connection(tx)).prepare(statement.text)
    assert len(prepared.get_parameters()) == len(statement.names)
    if statement.row is None:
        return
    attributes = prepared.get_attributes()
    columns = _columns(statement.row)
    shown = [attribute.name for attribute in attributes]
    if isinstance(columns, dict):
        assert shown == list(columns), "columns and fields, in one order"
        kinds = list(columns.values())
    else:
        assert len(shown) == len(columns)
        kinds = columns
    wrong = [
        f"{attribute.name} is {attribute.type.name}, not {kind}"
        for attribute, kind in zip(attributes, kinds, strict=True)
        if not _fits(kind, attribute.type.name.removesuffix("[]"), is_array=attribute.type.kind == "array")
    ]
    assert wrong == []
