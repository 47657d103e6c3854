"""Sets of job ids as ranges: a bulk of 10,000 neighbours is two numbers in a task's payload."""

from collections.abc import Iterable, Iterator, Sequence

Ranges = list[list[int]]
"""Pairs of first and last id, both inclusive, in rising order."""


def to_ranges(job_ids: Iterable[int]) -> Ranges:
    """Return rising ids as ranges."""
    ranges: Ranges = []
    for job_id in job_ids:
        if ranges and job_id == ranges[-1][1] + 1:
            ranges[-1][1] = job_id
        else:
            ranges.append([job_id, job_id])
    return ranges


def batches(job_ids: Sequence[int], size: int) -> Iterator[Ranges]:
    """Yield the ids in order, at most `size` of them at a time."""
    ordered = sorted(job_ids)
    for start in range(0, len(ordered), size):
        yield to_ranges(ordered[start : start + size])
