"""What somebody may have meant by a word that nobody knows."""

from collections.abc import Iterable
from difflib import get_close_matches

WORD_MAX = 100
"""Longer words are not typing mistakes, and comparing them would take long."""


def most_like(word: str, known: Iterable[str], *, n: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known words that are most like another one, the closest first; none for a very long one.

    Ratio of `difflib.SequenceMatcher`: `cutoff` is 0 for anything and 1 for equal words.
    """
    if len(word) > WORD_MAX:
        return []
    return get_close_matches(word, [each for each in known if len(each) <= WORD_MAX], n=n, cutoff=cutoff)
