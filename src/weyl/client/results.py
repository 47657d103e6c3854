"""What a command hands back: rows, a document, ids, text, events; `weyl.cli` prints it in the format asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weyl.client.paging import RowStream

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table, one mapping a row, with the API's own field names; a generator of rows is printed as it comes."""

    rows: Iterable[Row]
    # Shown by default, in this order; None: the keys of the first row.
    columns: Sequence[str] | None = None
    # What `-q` and `-o id` print.
    id_column: str = "ID"
    unit: str = "rows"
    # Asked after the last row: how many rows exist in all, for the footer of a table. None: not known.
    total: Callable[[], int | None] | None = None
    # Number of the first row, counted from 1.
    first: int = 1
    # Asked after the last row: whether rows were left out, of which nobody may know how many.
    has_more: Callable[[], bool] | None = None
    # The format where nobody asked for one.
    form: str = "table"
    # Those that could not be done, id -> reason: listed on stderr after the rows, exit code 7.
    failed: Mapping[Any, str] = field(default_factory=dict)


def rows_of(stream: RowStream, *, columns: Sequence[str] | None, id_column: str, unit: str) -> Rows:
    """Return the rows of a search, with what it knows of the others."""
    return Rows(
        stream,
        columns=columns,
        id_column=id_column,
        unit=unit,
        total=stream.total,
        first=stream.first,
        has_more=stream.has_more,
    )


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON document; people see its keys and values, or `text` if there is a better form for them."""

    content: Any
    text: str | None = None
    # What `-q` prints; of a list of rows, their column of this name.
    ids: Sequence[object] = ()
    id_column: str = "ID"
    # Those that there is nothing of, id -> reason: listed on stderr after the document, exit code 7.
    failed: Mapping[Any, str] = field(default_factory=dict)
    # The format where nobody asked for one.
    form: str = "table"


@dataclass(frozen=True, slots=True)
class Ids:
    """What a command created or changed: ids on stdout, the sentence on stderr; `-o json` prints `document` instead.

    A generator of ids is printed as it comes; a sentence and failures that are only known then may be a function of
    the number of ids, and a mapping that the generator fills.
    """

    ids: Iterable[object]
    sentence: str | Callable[[int], str] = ""
    id_column: str = "ID"
    unit: str = "rows"
    document: Any = None
    # Those that could not be done, id -> reason: listed on stderr, exit code 7.
    failed: Mapping[Any, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cleared:
    """Stands between the chunks of a text where a terminal begins a new screen."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text or bytes for stdout, whatever the format (a log, a JDL, a completion script).

    Pipes and files get it exactly as it is; on a terminal control characters are written out.
    """

    chunks: Iterable[str | bytes | Cleared]


@dataclass(frozen=True, slots=True)
class Events:
    """A stream of JSON objects, printed one a line the moment they come (NDJSON), but for people in words."""

    events: Iterable[Row]
    # For a terminal: turns an event into a line for people; None from it hides the event.
    line: Callable[[Row], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A sentence for stderr, and with `-o json` the document on stdout; `exit_code` is the program's."""

    sentence: str = ""
    document: Any = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """Several results, each printed before the next is asked for: ids first, then a long wait."""

    parts: Iterable["Result"]


Result = Rows | Document | Ids | Text | Events | Done | Parts | None
