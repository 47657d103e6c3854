"""`weyl data find`: files by their metadata and by what every file has."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weyl.client.columns import Sort, largest_first
from weyl.client.command import Session, session_of
from weyl.client.errors import UsageFault
from weyl.client.filters import parse_query
from weyl.client.paging import next_cursor
from weyl.client.results import Document, Result, Rows
from weyl.file_catalog import calls as files
from weyl.storage.cli.names import Namer

DEFAULT = ("LFN", "Size")
PER_PAGE = 1_000


def find(
    context: typer.Context,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="Conditions, as `Run > 1200 and Particle in (gamma, mu)`.")
    ] = None,
    *,
    under: Annotated[
        str | None, typer.Option("--under", metavar="PATH", help="Only files below this directory.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="P", help="Show this parameter or field; may be repeated."),
    ] = None,
    sort: Sort = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="A,B", help="Count files and bytes by up to three of them instead.")
    ] = None,
    total: Annotated[bool, typer.Option("--total", help="Count all that are found, however many are shown.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what the query means to the API.")] = False,
) -> Result:
    """Finds files by conditions on their metadata, name, size, place or owner; all of them must hold.

    Example: weyl data find "under /hep/mc: Run between 1200 and 1299 and SE = DEMO-S3" -q
    """
    session = session_of(context)
    asked = query_of(session, query, under)
    if by is not None:
        grouping = [name.strip() for name in by.split(",") if name.strip()]
        rows = session.client.send(files.summary({**asked, "grouping": grouping}))
        columns = [*grouping, "count", "bytes", "replica_bytes"]
        return Rows(largest_first(rows, grouping), columns=columns, id_column=grouping[0], unit="groups")
    columns = ["LFN"] if session.output == "id" else list(session.options.columns or parameter or DEFAULT)
    asked |= {"parameters": list(dict.fromkeys([*columns, "LFN"])) if parameter else columns}
    asked |= {"sort": _order(sort)} if sort else {}
    if explain:
        return Document(asked, form="json")
    pages = Pages(session, asked, counts=total)
    return Rows(
        pages.rows(),
        columns=columns,
        id_column="LFN",
        unit="files",
        total=pages.total,
        has_more=lambda: pages.has_more,
    )


def query_of(session: Session, text: str | None, under: str | None) -> dict[str, Any]:
    """Return what a search asks for; raises `UsageFault` for a query that cannot be read."""
    asked: dict[str, Any] = parse_query(text).body(datetime.now(UTC)) if text else {}
    if under is not None:
        if asked.get("under"):
            raise UsageFault("The query says already where to look.", hint="Leave --under out.")
        asked["under"] = under
    if asked.get("under"):
        asked["under"] = Namer(session)(asked["under"])
    return asked


def _order(text: str) -> list[dict[str, str]]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    return [{"parameter": word.lstrip("+-"), "direction": "desc" if word[0] == "-" else "asc"} for word in words]


class Pages:
    """The pages of a search, from cursor to cursor; says what the server says of them."""

    def __init__(self, session: Session, asked: dict[str, Any], *, counts: bool) -> None:
        self._session = session
        self._asked = asked
        self._prefer = "exact" if counts else "none"
        self._total: int | None = None
        self.has_more = False
        self._warnings: set[str] = set()

    def total(self) -> int | None:
        """Return how many files there are in all, if that was counted."""
        return self._total

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield files until all are there, or as many as are wanted."""
        left, cursor = self._session.rows_wanted(100) or None, None
        while True:
            size = PER_PAGE if left is None else min(PER_PAGE, left)
            call = files.search(self._asked, per_page=size, cursor=cursor, prefer=f"count={self._prefer}")
            answer = self._session.client.answer(call)
            self._note(answer.headers)
            yield from answer.value if left is None else answer.value[:left]
            left = None if left is None else left - len(answer.value)
            cursor = next_cursor(answer.headers.get("link"))
            if cursor is None or (left is not None and left <= 0):
                break
        self.has_more = cursor is not None

    def _note(self, headers: Any) -> None:
        total = headers.get("content-range", "").rpartition("/")[2]
        if self._total is None and total.isdigit():
            self._total = int(total)
        warning = headers.get("weyl-warning")
        if warning and warning not in self._warnings:
            self._warnings.add(warning)
            self._session.say(warning)
