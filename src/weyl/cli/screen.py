"""The one way to stdout and stderr: what others wrote leaves without the characters that command a terminal."""

import os
import sys
from typing import TextIO

from weyl.kit.plain_text import one_line, visible

CLEARED = "\033[H\033[2J"
LINE_CLEARED = "\r\033[K"
# Of a terminal that does not say how wide it is.
WIDTH = 80


def put(text: str, *, end: str = "\n") -> None:
    """Print a text that may hold what others wrote."""
    put_clean(visible(text), end=end)


def put_clean(text: str, *, end: str = "\n", out: TextIO | None = None) -> None:
    """Print a text in which nothing commands a terminal but what is ours: colours, JSON, cells of a table."""
    print(text, end=end, file=out)


def tell(text: str, *, end: str = "\n") -> None:
    """Print to stderr what is said to the person."""
    print(visible(text), end=end, file=sys.stderr, flush=True)


def replace_line(text: str) -> None:
    """Put a text in the place of the line on stderr where the cursor is, cut to the terminal."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        width = WIDTH
    print(f"{LINE_CLEARED}{one_line(text)[: width - 1]}", end="", file=sys.stderr, flush=True)


def clear() -> None:
    """Begin a new screen."""
    put_clean(CLEARED, end="")
