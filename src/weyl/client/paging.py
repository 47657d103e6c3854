"""Reading a search page by page: what the next call is, and how many rows there are in all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from weyl.client.errors import UnexpectedAnswer
from weyl.kit.call import Call

# The server's own limit for a page.
PER_PAGE_MAX = 10_000
PER_PAGE_STREAM = 1_000

CONTENT_RANGE = re.compile(r"^\w[\w-]* (?:(\d+)-(\d+)|\*)/(\d+)$")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a page lies: numbers of its first and last row, counted from zero, and the number of all rows."""

    first: int
    last: int
    total: int


def read_window(content_range: str | None, *, rows: int, first: int = 0) -> Window:
    """Read Content-Range; without one, the answer holds everything."""
    if content_range is None:
        return Window(0, rows - 1, rows)
    match = CONTENT_RANGE.match(content_range)
    if match is None:
        raise UnexpectedAnswer(f"The server sent a Content-Range that makes no sense: {content_range!r}.")
    start, end, total = match.groups()
    if start is None:
        return Window(first, first - 1, int(total))
    return Window(int(start), int(end), int(total))


@dataclass(slots=True)
class Pager:
    """Walks through a search until `limit` rows are there; 0 means all, None the one page that the call names."""

    call: Call[Any]
    limit: int | None = None
    per_page: int | None = None
    window: Window | None = None
    # Number of the first row, counted from 1.
    first: int = field(init=False, default=1)
    _page: int = field(init=False, default=1)
    _size: int = field(init=False)
    _taken: int = field(init=False, default=0)
    _is_over: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if self.limit is None:
            self._page = int(str(self.call.query.get("page") or 1))
            self._size = int(str(self.per_page or self.call.query.get("per_page") or 100))
            self.first = (self._page - 1) * self._size + 1
        else:
            size = min(self.per_page or PER_PAGE_STREAM, PER_PAGE_MAX)
            self._size = min(size, self.limit) if self.limit else size

    def next_call(self) -> Call[Any] | None:
        """Return the call for the next page, or None if there is none."""
        if self._is_over:
            return None
        return self.call.with_query(page=self._page, per_page=self._size)

    def accept(self, rows: list[Any], content_range: str | None) -> list[Any]:
        """Take a page in and return the rows of it that are wanted."""
        self.window = read_window(content_range, rows=len(rows), first=(self._page - 1) * self._size)
        if self.limit:
            rows = rows[: self.limit - self._taken]
        self._taken += len(rows)
        is_complete = content_range is None or not rows or self.window.last + 1 >= self.window.total
        self._is_over = self.limit is None or is_complete or bool(self.limit and self._taken >= self.limit)
        self._page += 1
        return rows

    def total(self) -> int | None:
        """Return how many rows there are in all, once a page is there."""
        return None if self.window is None else self.window.total


@dataclass(slots=True)
class RowStream:
    """Rows of a search, fetched page by page while they are read."""

    pager: Pager
    rows: Iterator[Any]

    def __iter__(self) -> Iterator[Any]:
        return self.rows

    @property
    def first(self) -> int:
        """The number of the first row, counted from 1."""
        return self.pager.first

    def total(self) -> int | None:
        """Return how many rows there are in all, once a page is there."""
        return self.pager.total()
