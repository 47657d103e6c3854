"""Lines of an aligned table, cut to the terminal's width: our own, because a library costs more than printing."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from unicodedata import east_asian_width

from weyl.kit.plain_text import one_line

GAP = "  "
CHUNK = 1_000
CELL_MIN = 6
FRACTION = re.compile(r"(?<=\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z$)")
# What DIRAC writes where there is nothing, as the web pages know it.
NOTHING = ("Unknown", "00000000")
STATUSES = ("Status", "status")
RED, GREEN, YELLOW, BOLD, RESET = "\033[31m", "\033[32m", "\033[33m", "\033[1m", "\033[0m"
COLORS = {
    **dict.fromkeys(("Failed", "Killed", "Aborted", "Banned", "failed"), RED),
    **dict.fromkeys(("Done", "Completed", "Active", "ok"), GREEN),
    **dict.fromkeys(("Running", "Matched", "Completing", "Stalled", "Degraded", "warning"), YELLOW),
}


def width_of_terminal() -> int:
    """Return how many characters fit in a line (`COLUMNS`, else the terminal's own width)."""
    return shutil.get_terminal_size((120, 24)).columns


def table_lines(
    rows: Iterable[Mapping[str, Any]],
    names: Sequence[str],
    *,
    width: int | None,
    header: bool,
    color: bool,
    whole: str | None = None,
    is_exact: bool = False,
) -> Iterator[str]:
    """Yield the lines of a table; with a width, long columns are cut so that each row stays one line.

    Many rows take little memory: the first thousand decide how wide columns are, and later ones widen them from there
    on. The column `whole` is not cut: what it holds is copied into the next command. Values are as they came, or times
    exact to the second and a dash for DIRAC's words for nothing.
    """
    source = iter(rows)
    wanted = [text_width(one_line(name)) if header else 1 for name in names]
    kept = names.index(whole) if whole in names else None
    # What is copied into the next command stays what it is, and `Unknown` is a status of its own.
    words = {whole, *STATUSES}
    numeric: list[bool] | None = None
    while names and (chunk := list(islice(source, CHUNK))):
        cells = [
            [cell_text(row.get(name)) if is_exact else _shown(row.get(name), is_word=name in words) for name in names]
            for row in chunk
        ]
        wanted = [max([least, *(text_width(line[i]) for line in cells)]) for i, least in enumerate(wanted)]
        widths = wanted if width is None else fit(wanted, width - len(GAP) * (len(names) - 1), kept)
        if numeric is None:
            numeric = [_is_numeric(chunk, name) for name in names]
            if header:
                yield _line([one_line(name) for name in names], widths, numeric, color=BOLD if color else "")
        for line in cells:
            text = _line(line, widths, numeric, color="")
            yield _paint(text, line) if color else text


def block_lines(documents: Iterable[Mapping[str, Any]], *, color: bool) -> Iterator[str]:
    """Yield the keys and values of several documents, with an empty line between two."""
    for number, document in enumerate(documents):
        if number:
            yield ""
        yield from key_value_lines(document, color=color)


def key_value_lines(content: Mapping[str, Any], *, color: bool) -> list[str]:
    """Return one line a key, values aligned."""
    shown = {one_line(key): cell_text(value) for key, value in content.items()}
    width = max(map(text_width, shown), default=0)
    start, end = (BOLD, RESET) if color else ("", "")
    return [f"{start}{pad(key, width)}{end}{GAP}{value}".rstrip() for key, value in shown.items()]


def fit(wanted: Sequence[int], room: int, kept: int | None = None) -> list[int]:
    """Return column widths that sum to at most `room` where that is possible, taking from the widest first.

    The column with the index `kept` stays as wide as wanted if half of the room is enough for it.
    """
    widths = list(wanted)
    floor = [min(CELL_MIN, width) for width in widths]
    if kept is not None and widths[kept] <= room // 2:
        floor[kept] = widths[kept]
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda i: (widths[i] - floor[i], widths[i]))
        if widths[widest] <= floor[widest]:
            break
        runner_up = sorted(width for width in widths if width < widths[widest])
        least = max(runner_up[-1] if runner_up else 0, floor[widest], widths[widest] - (sum(widths) - room))
        widths[widest] = max(least, floor[widest]) if least < widths[widest] else widths[widest] - 1
    return widths


def _shown(value: Any, *, is_word: bool) -> str:
    """Return a value as people read it; in some columns `Unknown` is a word like others."""
    is_nothing = value in ("", []) or (value in NOTHING and not is_word)
    return "-" if is_nothing else FRACTION.sub("", cell_text(value))


def cell_text(value: Any) -> str:
    """Return a value as text on one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(json.dumps(value) if isinstance(value, (dict, list)) else str(value))


def text_width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Cut or fill a text to a width."""
    if text_width(text) > width:
        while text and text_width(text) > width - 1:
            text = text[:-1]
        text += "…"
    space = " " * (width - text_width(text))
    return space + text if right else text + space


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], *, color: str) -> str:
    text = GAP.join(pad(cell, width, right=right) for cell, width, right in zip(cells, widths, numeric, strict=True))
    return f"{color}{text.rstrip()}{RESET}" if color else text.rstrip()


def _paint(text: str, cells: Sequence[str]) -> str:
    for cell in cells:
        if cell in COLORS:
            text = text.replace(cell, f"{COLORS[cell]}{cell}{RESET}", 1)
            break
    return text


def _is_numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [row.get(name) for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
