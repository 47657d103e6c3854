"""The one JSON serialiser of the server: orjson with the contract's form of times."""

import re
from collections.abc import Iterator
from decimal import Decimal
from json import JSONDecodeError, JSONDecoder
from typing import Any

import orjson

Document = dict[str, Any]
"""An object of JSON, as somebody sent or kept it."""

Written = orjson.Fragment
"""JSON text that goes out as it is."""

_DECODER = JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
# Most items are shorter; one that is not is read again in a window of eight times the size.
_WINDOW, _WINDOW_GROWS = 8_192, 8
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


def items_of(body: bytes, *, length_max: int) -> Iterator[Any]:
    """Yield the items of a JSON list one by one, so that whoever has seen enough stops the reading.

    Raises `JSONDecodeError` for what is no list, and for an item of more than `length_max` characters: other readers
    make objects of the whole text first, which takes up to thirty times its size.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise JSONDecodeError("Not UTF-8", "", error.start) from None
    at = skip_space(text, 0)
    if text[at : at + 1] != "[":
        raise JSONDecodeError("Expecting a list", text, at)
    at = skip_space(text, at + 1)
    is_first = True
    while text[at : at + 1] != "]":
        if not is_first:
            if text[at : at + 1] != ",":
                raise JSONDecodeError("Expecting ',' delimiter", text, at)
            at = skip_space(text, at + 1)
        is_first = False
        item, at = item_at(text, at, length_max)
        yield item
        at = skip_space(text, at)
    if skip_space(text, at + 1) != len(text):
        raise JSONDecodeError("Extra data", text, at + 1)


def skip_space(text: str, at: int) -> int:
    """Return the place of the next character of JSON that is no white space."""
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _windows(length_max: int) -> Iterator[int]:
    length = _WINDOW
    while length < length_max:
        yield length
        length *= _WINDOW_GROWS
    yield length_max


def item_at(text: str, at: int, length_max: int) -> tuple[Any, int]:
    """Return the item of JSON that begins at a place, and where it ends; raises `JSONDecodeError`."""
    for length in _windows(length_max):
        try:
            item, used = _DECODER.raw_decode(text[at : at + length])
            return item, at + used
        except RecursionError:
            raise JSONDecodeError("Too many nested lists and objects", text, at) from None
        except JSONDecodeError as error:
            if at + length >= len(text):
                raise JSONDecodeError(error.msg, text, at + error.pos) from None
        except ValueError:  # more digits than Python converts
            raise JSONDecodeError("A number is too long", text, at) from None
    raise JSONDecodeError(f"Not JSON, or an item has more than {length_max} characters", text, at)
