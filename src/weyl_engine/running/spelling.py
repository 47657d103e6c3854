"""JSON that keeps the spelling of its floats: a tool prints `1.0E5` as it was given, not as Python would write it."""

import json
from collections.abc import Iterator
from typing import Any


class Spelled(float):
    """A float that knows how it was written."""

    text: str

    def __new__(cls, text: str) -> "Spelled":
        """Read the number and keep its text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def load(text: str | bytes) -> Any:
    """Return the value of a JSON text; its floats are `Spelled`. Raises ValueError for anything that is not JSON."""
    return json.loads(text, parse_float=Spelled, parse_constant=_refuse)


def dump(value: Any) -> str:
    """Return the JSON text of a value, `Spelled` floats as they were written."""
    return "".join(_pieces(value))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for index, (key, item) in enumerate(value.items()):
            yield f"{', ' if index else ''}{json.dumps(str(key))}: "
            yield from _pieces(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            if index:
                yield ", "
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, Spelled):
        yield value.text
    else:
        yield json.dumps(value, allow_nan=False)
