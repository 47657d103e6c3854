"""How far jobs are, while somebody waits: a line on a terminal, a bar in a notebook, nothing elsewhere."""

import html
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from weyl.jobs.waiting import ENDED, GOOD, tally

BAR = 24


def line_of(statuses: Iterable[str], total: int, seconds: float) -> str:
    """Return how far jobs are in one line: `[####....] 31 of 50 ended: 29 Done, 2 Failed, 19 Running (1:20)`."""
    known = list(statuses)
    ended = sum(status in ENDED for status in known)
    filled = BAR * ended // total if total else BAR
    minutes, rest = divmod(int(seconds), 60)
    counts = f": {tally(known)}" if known else ""
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {ended:,} of {total:,} ended{counts} ({minutes}:{rest:02})"


def page_of(statuses: Iterable[str], total: int, seconds: float) -> str:
    """Return the same for a notebook, in HTML."""
    known = list(statuses)
    ended = sum(status in ENDED for status in known)
    text = html.escape(line_of(known, total, seconds).partition("] ")[2])
    return f'<progress max="{total}" value="{ended}"></progress> {text}'


def summary_page(title: str, counts: Mapping[str, int]) -> str:
    """Return how jobs are in a table of HTML, for the end of a cell in a notebook."""
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{count:,}</td></tr>" for name, count in counts.items())
    return f"<b>{html.escape(title)}</b><table><tr><th>status</th><th>jobs</th></tr>{rows}</table>"


def counted(statuses: Iterable[str]) -> dict[str, int]:
    """Return counts by status, the largest first."""
    return dict(Counter(map(str, statuses)).most_common())


def went_well(statuses: Iterable[str]) -> bool:
    """Say whether all of these are good ends."""
    return all(status in GOOD for status in statuses)


class Progress:
    """Shows how far jobs are from look to look; `close` ends the line."""

    def __init__(self, total: int, *, is_shown: bool = True) -> None:
        self._total = total
        self._began = monotonic()
        self._display: Any = _notebook() if is_shown else None
        self._is_terminal = is_shown and self._display is None and sys.stderr.isatty()
        self._handle: Any = None
        self._is_begun = False

    def look(self, statuses: Iterable[str]) -> None:
        """Show what a look has found."""
        seconds = monotonic() - self._began
        if self._display is not None:
            self._show(page_of(statuses, self._total, seconds))
        elif self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{line_of(statuses, self._total, seconds)}")
            sys.stderr.flush()
            self._is_begun = True

    def close(self) -> None:
        """End the line, so that what is written next begins another."""
        if self._is_begun:
            sys.stderr.write("\n")
            sys.stderr.flush()

    def _show(self, text: str) -> None:
        page = self._display.HTML(text)
        if self._handle is None:
            self._handle = self._display.display(page, display_id=True)
        else:
            self._handle.update(page)


def _notebook() -> Any:
    """Return IPython's module for showing things, if this program runs in a notebook; it is there then."""
    main = sys.modules.get("IPython")
    shell = main.get_ipython() if main is not None and hasattr(main, "get_ipython") else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    return sys.modules.get("IPython.display")
