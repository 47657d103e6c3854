"""Sets of job ids as ranges."""

from weyl.jobs.ranges import batches, to_ranges


def test_ranges() -> None:
    assert to_ranges([]) == []
    assert to_ranges([1, 2, 3, 7, 9, 10]) == [[1, 3], [7, 7], [9, 10]]
    assert list(batches([5, 1, 2, 3, 9], 3)) == [[[1, 3]], [[5, 5], [9, 9]]]
