"""Input objects as they were sent: their texts are kept, since a float must not change its spelling on the way."""

import json
import re
from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from json import JSONDecodeError
from typing import Any, NamedTuple, Protocol

from weyl.kit.json import item_at, loads, skip_space

OBJECT_LENGTH_MAX = 1 << 20
"""Characters of one input object, or of one value in a list."""


class Spelled(float):
    """A float that knows how it was written."""

    text: str

    def __new__(cls, text: str) -> "Spelled":
        """Read the text of a number."""
        made = super().__new__(cls, text)
        made.text = text
        return made


def spelled(text: str) -> Any:
    """Return the document in a JSON text; its floats know how they were written."""
    return json.loads(text, parse_float=Spelled)


def written(value: Any) -> str:
    """Return the JSON text of a document; floats that know how they were written are written so."""
    if isinstance(value, dict):
        return together({name: written(item) for name, item in value.items()})
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return value.text if isinstance(value, Spelled) else json.dumps(value, ensure_ascii=False)


def together(texts: Mapping[str, str]) -> str:
    """Return the JSON text of an object from those of its members."""
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in texts.items()) + "}"


# Where an object without lists and objects in it ends; whether it is JSON is seen when somebody reads it.
_FLAT = re.compile(r'\{(?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+")*+\}')
_COMMA = re.compile(r"[ \t\n\r]*(,?)[ \t\n\r]*")


class Member(NamedTuple):
    """A member of an object, and where its value stands in the text."""

    name: str
    start: int
    end: int
    items: "array[int] | None" = None
    """Of a list: starts and ends, in turn, of its items."""


def members(text: str, at: int = 0, *, length_max: int = OBJECT_LENGTH_MAX, levels: int = 2) -> Iterator[Member]:
    """Yield the members of the JSON object at a place, and last a nameless one behind its end.

    A member that is no list or object of shorter items has at most `length_max` characters, where `levels` says how
    deep to look for these; raises `JSONDecodeError`.
    """
    at = _passed(text, at, "{")
    is_first = True
    while text[at : at + 1] != "}":
        if not is_first:
            at = _passed(text, at, ",")
        is_first = False
        name, at = item_at(text, at, OBJECT_LENGTH_MAX)
        if not isinstance(name, str):
            raise JSONDecodeError("Expecting a name in double quotes", text, at)
        start = _passed(text, at, ":")
        found = _end_of(text, start, length_max, levels - 1)
        yield Member(name, start, *found)
        at = skip_space(text, found[0])
    yield Member("", at, at + 1)


def items(text: str, at: int) -> "array[int]":
    """Return starts and ends, in turn, of the items of the JSON list at a place; raises `JSONDecodeError`."""
    return _items(text, at)[1]


def _items(text: str, at: int) -> "tuple[int, array[int]]":
    """Return the end of a list, and starts and ends of its items."""
    found = array("Q")
    at = _passed(text, at, "[")
    is_last = text[at : at + 1] == "]"
    while not is_last:
        flat = _FLAT.match(text, at)
        if flat is not None and flat.end() - at <= OBJECT_LENGTH_MAX:
            end = flat.end()
        else:
            _, end = item_at(text, at, OBJECT_LENGTH_MAX)
        found.append(at)
        found.append(end)
        behind = _COMMA.match(text, end)
        assert behind is not None, "it matches nothing, too"
        at = behind.end()
        is_last = not behind[1]
        if is_last and text[at : at + 1] != "]":
            raise JSONDecodeError("Expecting ',' delimiter", text, at)
    return at + 1, found


def _end_of(text: str, at: int, length_max: int, levels: int) -> "tuple[int, array[int] | None]":
    """Return where a value ends. Lists and objects are passed item by item: as Python's they take many times more."""
    if levels and text[at : at + 1] == "[":
        return _items(text, at)
    if levels and text[at : at + 1] == "{":
        [last] = deque(members(text, at, levels=levels), maxlen=1)
        return last.end, None
    return item_at(text, at, length_max)[1], None


def _passed(text: str, at: int, sign: str) -> int:
    at = skip_space(text, at)
    if text[at : at + 1] != sign:
        raise JSONDecodeError(f"Expecting {sign!r}", text, at)
    return skip_space(text, at + 1)


@dataclass(frozen=True)
class Base:
    """What lies below every input object of a submission: members by name, as texts."""

    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> "Base":
        """Take an object apart."""
        return cls({each.name: text[each.start : each.end] for each in list(members(text))[:-1]})

    @cached_property
    def value(self) -> dict[str, Any]:
        """The object as a document."""
        return {name: loads(text) for name, text in self.texts.items()}

    def with_text(self, text: str) -> str:
        """Return the text of an object laid over this one."""
        return together({**self.texts, **self.read(text).texts}) if self.texts else text


class Objects(Protocol):
    """The input objects of a submission, each made when somebody asks for it."""

    @property
    def count(self) -> int:
        """How many there are; it may be more than can be made."""

    def text(self, index: int) -> str | None:
        """Return the JSON text of one; None where nothing was given."""

    def value(self, index: int) -> dict[str, Any]:
        """Return one as a document."""

    def values_of(self, names: Sequence[str], part: range) -> dict[str, Sequence[Any]]:
        """Return some inputs of jobs of these numbers: one value for all, or one a job; null where none is given."""

    def distinct(self) -> Sequence[int]:
        """Return those that say all there is to say about the values of the others."""

    def everything(self) -> Sequence[str]:
        """Return texts in which all that they say stands somewhere."""


@dataclass(frozen=True)
class Given:
    """Objects that were sent one by one."""

    body: str
    places: "array[int]"
    base: Base

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.places) // 2

    def text(self, index: int) -> str:
        """Return the JSON text of one."""
        return self.base.with_text(self.body[self.places[2 * index] : self.places[2 * index + 1]])

    def value(self, index: int) -> dict[str, Any]:
        """Return one as a document."""
        sent = loads(self.body[self.places[2 * index] : self.places[2 * index + 1]])
        if not isinstance(sent, dict):
            raise ValueError("it must be an object, a value for each input")
        return {**self.base.value, **sent} if self.base.texts else sent

    def values_of(self, names: Sequence[str], part: range) -> dict[str, Sequence[Any]]:
        """Return some inputs of jobs of these numbers, one value a job; null where none is given."""
        found: dict[str, list[Any]] = {name: [] for name in names}
        for index in part:
            value = self.value(index)
            for name, column in found.items():
                column.append(value.get(name))
        return dict(found)

    def everything(self) -> Sequence[str]:
        """Return texts in which all that they say stands somewhere."""
        return self.body, together(self.base.texts)

    def distinct(self) -> Sequence[int]:
        """Return all of them."""
        return range(self.count)


@dataclass(frozen=True)
class Stepped:
    """One object for each number of a range."""

    name: str
    numbers: range
    base: Base

    @property
    def count(self) -> int:
        """How many there are; Python counts no range of more than 2^63."""
        numbers = self.numbers
        return max(0, -((numbers.start - numbers.stop) // numbers.step))

    def text(self, index: int) -> str:
        """Return the JSON text of one."""
        return together({**self.base.texts, self.name: str(self.numbers[index])})

    def value(self, index: int) -> dict[str, Any]:
        """Return one as a document."""
        return {**self.base.value, self.name: self.numbers[index]}

    def values_of(self, names: Sequence[str], part: range) -> dict[str, Sequence[Any]]:
        """Return some inputs of jobs of these numbers: one value for all, or one a job; null where none is given."""
        found: dict[str, Sequence[Any]] = {name: [self.base.value.get(name)] for name in names}
        if self.name in found:
            found[self.name] = list(self.numbers[part.start : part.stop])
        return found

    def everything(self) -> Sequence[str]:
        """Return texts in which all that they say stands somewhere."""
        return (together(self.base.texts),)

    def distinct(self) -> Sequence[int]:
        """Return the first and the last: between these two lie the other numbers."""
        return sorted({0, self.count - 1})


@dataclass(frozen=True)
class Scattered:
    """Objects made of lists of values: the k-th of each, or, where they are crossed, each with each."""

    body: str
    columns: Mapping[str, "array[int]"]
    is_crossed: bool
    base: Base

    @property
    def count(self) -> int:
        """How many there are, or would be."""
        lengths = [len(places) // 2 for places in self.columns.values()]
        if not self.is_crossed:
            return min(lengths)
        count = 1
        for length in lengths:
            count *= length
        return count

    def text(self, index: int) -> str:
        """Return the JSON text of one."""
        return together({**self.base.texts, **self._texts(index)})

    def value(self, index: int) -> dict[str, Any]:
        """Return one as a document."""
        return {**self.base.value, **{name: loads(text) for name, text in self._texts(index).items()}}

    def values_of(self, names: Sequence[str], part: range) -> dict[str, Sequence[Any]]:
        """Return some inputs of jobs of these numbers: one value for all, or one a job; null where none is given."""
        found: dict[str, Sequence[Any]] = {name: [self.base.value.get(name)] for name in names}
        varying = [name for name in names if name in self.columns]
        texts = [self._texts(index) for index in part] if varying else []
        return found | {name: [loads(each[name]) for each in texts] for name in varying}

    def everything(self) -> Sequence[str]:
        """Return texts in which all that they say stands somewhere."""
        return self.body, together(self.base.texts)

    def distinct(self) -> Sequence[int]:
        """Return all of them."""
        return range(self.count)

    def _texts(self, index: int) -> dict[str, str]:
        """Return the values of one; the first named input is the slowest."""
        found: dict[str, str] = {}
        for name, places in reversed(list(self.columns.items())):
            length = len(places) // 2
            at = index % length if self.is_crossed else index
            index = index // length if self.is_crossed else index
            found[name] = self.body[places[2 * at] : places[2 * at + 1]]
        return dict(reversed(found.items()))


@dataclass(frozen=True)
class Single:
    """The one object of a submission that names no others."""

    base: Base

    @property
    def count(self) -> int:
        """One."""
        return 1

    def text(self, index: int) -> str | None:
        """Return its JSON text; None if nothing was given."""
        return together(self.base.texts) if self.base.texts else None

    def value(self, index: int) -> dict[str, Any]:
        """Return it as a document."""
        return self.base.value

    def values_of(self, names: Sequence[str], part: range) -> dict[str, Sequence[Any]]:
        """Return some of its inputs, one value each; null where none is given."""
        return {name: [self.base.value.get(name)] for name in names}

    def everything(self) -> Sequence[str]:
        """Return texts in which all that they say stands somewhere."""
        return (together(self.base.texts),)

    def distinct(self) -> Sequence[int]:
        """Return the one."""
        return (0,)
