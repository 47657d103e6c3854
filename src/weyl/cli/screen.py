"""The one way to stdout and stderr: what others wrote leaves without the characters that command a terminal."""

import sys
from typing import TextIO

from weyl.kit.plain_text import visible

CLEARED = "\033[H\033[2J"


def put(text: str, *, end: str = "\n") -> None:
    """Print a text that may hold what others wrote."""
    put_clean(visible(text), end=end)


def put_clean(text: str, *, end: str = "\n", out: TextIO | None = None) -> None:
    """Print a text in which nothing commands a terminal but what is ours: colours, JSON, cells of a table."""
    print(text, end=end, file=out)


def tell(text: str, *, end: str = "\n") -> None:
    """Print to stderr what is said to the person."""
    print(visible(text), end=end, file=sys.stderr, flush=True)


def clear() -> None:
    """Begin a new screen."""
    put_clean(CLEARED, end="")
