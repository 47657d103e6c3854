"""Which numbers of a sequence are still to come: transactions commit in another order than they took their numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# No transaction lasts longer; what has not come by then was rolled back.
PATIENCE_S = 60.0
GAPS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers, both ends inclusive, that were missing when higher ones had come already."""

    low: int
    high: int
    since_s: float


def follow(position: int, gaps: Sequence[Gap], arrived: Iterable[int], *, now_s: float) -> tuple[int, list[Gap]]:
    """Return up to where numbers have come, and what is missing before, after some more have arrived.

    Of too many gaps the oldest are given up: a page then misses what a transaction of a minute did, and no more.
    """
    numbers = sorted(set(arrived))
    left = [
        Gap(low, high, gap.since_s)
        for gap in gaps
        if now_s - gap.since_s < PATIENCE_S
        for low, high in _missing(gap.low, gap.high, numbers)
    ]
    last = max(position, numbers[-1]) if numbers else position
    left += [Gap(low, high, now_s) for low, high in _missing(position + 1, last, numbers)]
    return last, left[-GAPS_MAX:]


def _missing(low: int, high: int, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges between two numbers in which none of the sorted numbers lies."""
    following = low
    for number in numbers:
        if low <= number <= high:
            if number > following:
                yield following, number - 1
            following = number + 1
    if following <= high:
        yield following, high
