"""Reading a list page by page: what the next call is, how many rows there are, and whether some were left out."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from weyl.client.errors import UnexpectedAnswer
from weyl.kit.call import Call

# The server's own limit for a page.
PER_PAGE_MAX = 10_000
PER_PAGE_STREAM = 1_000
# Where counting takes long, the server stops here: one more means "more than".
COUNT_MAX = 100_000

CONTENT_RANGE = re.compile(r"^\w[\w-]* (?:(\d+)-(\d+)|\*)/(\d+|\*)$")
NEXT = re.compile(r"<([^>]+)>;\s*rel=\"?next\"?")


@dataclass(frozen=True, slots=True)
class Window:
    """Where a page lies: numbers of its first and last row, counted from zero, and of all rows if they were counted."""

    first: int
    last: int
    total: int | None


def read_window(content_range: str | None, *, rows: int, first: int = 0) -> Window:
    """Read Content-Range; without one, the answer holds everything."""
    if content_range is None:
        return Window(0, rows - 1, rows)
    match = CONTENT_RANGE.match(content_range)
    if match is None:
        raise UnexpectedAnswer(f"The server sent a Content-Range that makes no sense: {content_range!r}.")
    start, end, counted = match.groups()
    total = None if counted == "*" else int(counted)
    return Window(first, first - 1, total) if start is None else Window(int(start), int(end), total)


def next_cursor(link: str | None) -> str | None:
    """Return the cursor of the next page from the header Link."""
    match = NEXT.search(link or "")
    return next(iter(parse_qs(urlsplit(match[1]).query).get("cursor", [])), None) if match else None


@dataclass(slots=True)
class Pager:
    """Walks through a search until `limit` rows are there; 0 means all, None the one page that the call names.

    Where the server gives cursors they are followed: rows that come or go meanwhile move no other row to another page.
    """

    call: Call[Any]
    limit: int | None = None
    per_page: int | None = None
    window: Window | None = None
    # Number of the first row, counted from 1.
    first: int = field(init=False, default=1)
    # Whether there are rows behind the last one that was taken.
    has_more: bool = field(init=False, default=False)
    _page: int = field(init=False, default=1)
    _size: int = field(init=False)
    _taken: int = field(init=False, default=0)
    _is_over: bool = field(init=False, default=False)
    _cursor: str | None = field(init=False, default=None)
    _has_cursors: bool = field(init=False, default=False)

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
        if self.limit is None or self._size == self.limit:
            return self.call.with_query(page=self._page, per_page=self._size)
        # Only those who ask about counts get cursors; that of all rows is what the walk comes to.
        walk = replace(self.call, headers={**self.call.headers, "Prefer": "count=none"})
        if self._cursor is None:
            return walk.with_query(page=self._page, per_page=self._size)
        return walk.with_query(page=None, per_page=self._size, cursor=self._cursor)

    def accept(self, rows: list[Any], content_range: str | None, link: str | None = None) -> list[Any]:
        """Take a page in and return the rows of it that are wanted."""
        self.window = read_window(content_range, rows=len(rows), first=(self._page - 1) * self._size)
        self._cursor = next_cursor(link)
        self._has_cursors = self._has_cursors or self._cursor is not None
        is_complete = content_range is None or not rows or self._is_last(len(rows), self.window)
        wanted = rows[: self.limit - self._taken] if self.limit else rows
        self._taken += len(wanted)
        self.has_more = not is_complete or len(wanted) < len(rows)
        self._is_over = self.limit is None or is_complete or bool(self.limit and self._taken >= self.limit)
        self._page += 1
        return wanted

    def _is_last(self, rows: int, window: Window) -> bool:
        if self._has_cursors:
            return self._cursor is None
        return rows < self._size if window.total is None else window.last + 1 >= window.total

    def total(self) -> int | None:
        """Return how many rows there are in all, if the server has counted them; of a whole walk its own count."""
        if self.window is None or self.window.total is not None:
            return None if self.window is None else self.window.total
        return None if self.has_more else self._taken


@dataclass(slots=True)
class RowStream:
    """Rows of a search, fetched page by page while they are read."""

    pager: Pager
    rows: Iterator[Any]
    # Counts all rows, for a walk on which nobody did.
    count: Callable[[], int | None]

    def __iter__(self) -> Iterator[Any]:
        return self.rows

    @property
    def first(self) -> int:
        """The number of the first row, counted from 1."""
        return self.pager.first

    def has_more(self) -> bool:
        """Say whether there are rows behind those that were read."""
        return self.pager.has_more

    def total(self) -> int | None:
        """Return how many rows there are in all, once a page is there; asks the server if it has not said so."""
        total = self.pager.total()
        return self.count() if total is None and self.pager.window is not None else total


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of a list without pages: one more than wanted is asked for, to know whether there are more."""

    wanted: int
    # What the server lists at most.
    most: int

    @property
    def asked(self) -> int:
        """How many rows to ask the server for."""
        return min((self.wanted or self.most) + 1, self.most)

    def rows(self, answer: Sequence[Any]) -> Sequence[Any]:
        """Return the rows of an answer that are wanted."""
        return answer[: self.wanted or self.most]

    def has_more(self, answer: Sequence[Any]) -> bool:
        """Say whether there are, or at the server's own limit may be, more rows than those that are wanted."""
        return len(answer) > (self.wanted or self.most) or len(answer) >= self.most
