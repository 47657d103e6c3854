"""Names of secondary files: what the patterns of `secondaryFiles` say lies beside a file."""

from collections.abc import Iterator, Sequence
from typing import Any


def is_expression(text: str) -> bool:
    """Say whether a text has to be evaluated: only the engine can do that."""
    return "$(" in text or "${" in text


def pattern_texts(written: Any) -> list[str]:
    """Return the patterns of a `secondaryFiles` field in any of its forms: one or a list of texts or records."""
    entries = written if isinstance(written, list) else [] if written is None else [written]
    found = [entry.get("pattern") if isinstance(entry, dict) else entry for entry in entries]
    return [text for text in found if isinstance(text, str) and text]


def sibling(name: str, pattern: str) -> str:
    """Return the name that a pattern makes of a file's name: each `^` takes one extension off, the rest is added."""
    pattern = pattern.removesuffix("?")
    while pattern.startswith("^"):
        pattern = pattern[1:]
        stem, dot, _ = name.rpartition(".")
        # A leading dot begins a hidden file's name, not an extension.
        name = stem if dot and stem else name
    return name + pattern


def siblings(name: str, patterns: Sequence[str]) -> Iterator[str]:
    """Yield the names of the secondary files of a file, each once; patterns that are expressions are left out."""
    names = dict.fromkeys(sibling(name, pattern) for pattern in patterns if not is_expression(pattern))
    yield from (each for each in names if each != name and "/" not in each)


def stem_of(name: str) -> str:
    """Return a name up to its first extension, with which the names of all files that belong to it begin."""
    stem, dot, _ = name.lstrip(".").partition(".")
    hidden = name[: len(name) - len(name.lstrip("."))]
    return hidden + stem if dot else name
