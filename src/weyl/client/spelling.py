"""What somebody may have meant: the known words that are spelt nearly so."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three known words that are spelt nearly like `word`, the nearest first; if only case differs, it."""
    lowered = {each.lower(): each for each in known}
    if word.lower() in lowered:
        return [lowered[word.lower()]]
    return [lowered[match] for match in get_close_matches(word.lower(), lowered, n=3, cutoff=0.5)]


def suggestion(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return a hint that names the near matches, or what to say if there are none."""
    matches = near(word, known)
    return f"Did you mean: {', '.join(matches)}?" if matches else otherwise
