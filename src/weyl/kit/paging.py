"""How lists go on: how much of a count a client wants, and cursors that hold the place of the last row it has seen."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from weyl.kit import json
from weyl.kit.errors import BadRequest
from weyl.kit.search import FIRST_MAX, SortDirection, SortSpec, is_storable

CURSOR_LENGTH_MAX = 8_000
NO_CURSOR = "This is no cursor: take it as it is from the header Link of the page before"
_TIME = "t"


class Count(StrEnum):
    """How much it may cost to tell how many rows there are."""

    NONE = "none"
    ESTIMATED = "estimated"
    EXACT = "exact"


def wanted_count(prefer: str | None) -> Count | None:
    """Read the header Prefer (RFC 7240): `count=none|estimated|exact`; what else it says is not for us."""
    for part in (prefer or "").replace(";", ",").split(","):
        name, _, value = part.partition("=")
        if name.strip().lower() == "count":
            word = value.strip().strip('"').lower()
            return Count(word) if word in set(Count) else None
    return None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in an order: its values of the keys, and how many rows had been seen with it."""

    keys: tuple[SortSpec, ...]
    values: tuple[Any, ...]
    seen: int

    def text(self) -> str:
        """Return the cursor as clients hold it; they read nothing from it."""
        order = [[key.parameter, key.direction.value] for key in self.keys]
        values = [{_TIME: value.isoformat()} if isinstance(value, datetime) else value for value in self.values]
        return base64.urlsafe_b64encode(json.dumps([order, values, self.seen])).decode().rstrip("=")


def read_cursor(text: str, keys: Sequence[SortSpec]) -> Cursor:
    """Return the place that a cursor holds; raises `BadRequest` if it was made by another search, or by nobody."""
    try:
        if len(text) > CURSOR_LENGTH_MAX:
            raise ValueError
        order, values, seen = json.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if not isinstance(order, list) or not isinstance(values, list):
            raise ValueError
        read = tuple(_value(value) for value in values)
        if len(read) != len(order) or not isinstance(seen, int) or not 0 < seen < FIRST_MAX:
            raise ValueError
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise BadRequest(NO_CURSOR) from error
    if order != [[key.parameter, key.direction.value] for key in keys]:
        raise BadRequest("The cursor belongs to another order: begin the list again without it")
    return Cursor(tuple(keys), read, seen)


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return datetime.fromisoformat(value[_TIME])
    if isinstance(value, str) and not is_storable(value):
        raise ValueError
    if isinstance(value, list):
        raise ValueError
    return value


def full_order(sorts: Sequence[SortSpec], last: str) -> list[SortSpec]:
    """Return the keys that order rows for good: what comes after the one that no two rows share says nothing."""
    keys: dict[str, SortSpec] = {}
    for sort in [*sorts, SortSpec(parameter=last, direction=SortDirection.ASC)]:
        keys.setdefault(sort.parameter, sort)
        if sort.parameter == last:
            break
    return list(keys.values())


@dataclass(frozen=True, slots=True)
class Part:
    """Where a page begins, how many rows it has at most, and what is to be told beside them."""

    page: int
    size: int
    count: Count | None = None
    cursor: Cursor | None = None

    @property
    def first(self) -> int:
        """How many rows come before the page."""
        return self.cursor.seen if self.cursor else min((self.page - 1) * self.size, FIRST_MAX)

    @property
    def is_told(self) -> bool:
        """Whether the client knows of counts and cursors: others get what they have always got."""
        return self.count is not None or self.cursor is not None

    @property
    def is_counted(self) -> bool:
        """Whether a total is told."""
        return self.count is not Count.NONE


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of the page that it wants; its cursor is read when the order is known."""

    page: int
    size: int
    count: Count | None
    cursor: str | None

    def part(self, keys: Sequence[SortSpec], *, distinct: bool) -> Part:
        """Return the page in the order of a search."""
        if self.cursor is None:
            return Part(self.page, self.size, self.count)
        if distinct:
            raise BadRequest("Distinct rows have no cursor: take page and per_page")
        return Part(self.page, self.size, self.count, read_cursor(self.cursor, keys))


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list: its rows, how many there are if that was counted, and the place that the next page begins at.

    Without counting nobody knows the end of a page that is empty.
    """

    rows: Sequence[Any]
    total: int | None
    following: Cursor | None = None
    has_more: bool = False


def next_link(path: str, cursor: Cursor, query: Mapping[str, object]) -> str:
    """Return the header Link that leads to the rows behind a cursor."""
    return f'<{path}?{urlencode({**query, "cursor": cursor.text()})}>; rel="next"'
