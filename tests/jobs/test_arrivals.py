"""Numbers of a sequence that arrive in another order than they were taken."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from weyl.jobs.arrivals import GAPS_MAX, PATIENCE_S, Gap, follow


def test_what_comes_in_order_leaves_no_gap() -> None:
    assert follow(10, [], [11, 12, 13], now_s=0) == (13, [])
    assert follow(10, [], [], now_s=0) == (10, [])


def test_what_is_missing_is_waited_for_and_then_given_up() -> None:
    position, gaps = follow(10, [], [13, 14, 17], now_s=0)
    assert (position, gaps) == (17, [Gap(11, 12, 0), Gap(15, 16, 0)])
    position, gaps = follow(position, gaps, [12, 18], now_s=1)
    assert (position, gaps) == (18, [Gap(11, 11, 0), Gap(15, 16, 0)])
    assert follow(position, gaps, [], now_s=PATIENCE_S) == (18, [])


def test_gaps_are_bounded() -> None:
    _, gaps = follow(0, [], range(2, 5_000, 2), now_s=0)
    assert len(gaps) == GAPS_MAX


@given(st.permutations(range(1, 40)), st.lists(st.integers(1, 38), max_size=5))
def test_every_number_is_met_once_in_whatever_order(order: list[int], cuts: list[int]) -> None:
    position, gaps, met = 0, list[Gap](), list[int]()
    bounds = sorted({0, *cuts, len(order)})
    visible: set[int] = set()
    for low, high in pairwise(bounds):
        visible |= set(order[low:high])
        wanted = {n for n in visible if n > position or any(gap.low <= n <= gap.high for gap in gaps)}
        met += wanted
        position, gaps = follow(position, gaps, wanted, now_s=0)
    assert sorted(met) == list(range(1, 40))
