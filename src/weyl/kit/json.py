"""The one JSON serialiser of the server: orjson with the contract's form of times."""

from decimal import Decimal
from typing import Any

import orjson

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS


def _default(value: object) -> Any:
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(content: object) -> bytes:
    """Return `content` as JSON bytes; times as `…Z` with microseconds only if they are not zero."""
    return orjson.dumps(content, default=_default, option=_OPTIONS)


def dumps_text(content: object) -> str:
    """Return `content` as JSON text, for columns and logs."""
    return dumps(content).decode()


def loads(text: bytes | str) -> Any:
    """Return the document in `text`; raises `ValueError` if it is not JSON."""
    return orjson.loads(text)
