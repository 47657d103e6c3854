"""What others wrote, for the eyes of people: nothing in it commands a terminal, or is a formula in a spreadsheet."""

import re

# Control characters but for tabs and ends of lines, what turns the direction of text, and what is no character.
_COMMANDS = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    r"""Return a text in which each character that would command a terminal is written out, as `\x1b`."""
    return _COMMANDS.sub(_written_out, text)


def one_line(text: str) -> str:
    """Return a text with blanks for all that is not printable, ends of lines included."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def spreadsheet_cell(text: str) -> str:
    """Return the text for a cell of CSV; what a spreadsheet would take for a formula gets an apostrophe before it."""
    is_formula = text.startswith(_FORMULA_STARTS) and _NUMBER.fullmatch(text) is None
    return visible(f"'{text}" if is_formula else text)


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
