"""How many jobs wait in the classes of a mask, counted without looking at the classes one by one."""

from collections.abc import Iterable, Mapping

from weyl.matcher.bitsets import mask_of


class Waiting:
    """The numbers of waiting jobs as binary digits: for each power of two the mask of the classes that have it."""

    def __init__(self, counts: Iterable[tuple[int, int]] = ()) -> None:
        """Take (bit, jobs) of every class."""
        alike: dict[int, list[int]] = {}
        size = 0
        for bit, jobs in counts:
            alike.setdefault(jobs, []).append(bit)
            size = max(size, bit + 1)
        self._digits = _digits({jobs: mask_of(bits, size) for jobs, bits in alike.items()})

    def jobs(self, mask: int) -> int:
        """Return how many jobs the classes of a mask have."""
        return sum((digit & mask).bit_count() << place for place, digit in enumerate(self._digits))

    def largest(self, mask: int) -> int:
        """Return the bit of the class of a mask that has the most jobs; the mask is not empty."""
        for digit in reversed(self._digits):
            mask = digit & mask or mask
        return (mask & -mask).bit_length() - 1


def _digits(masks: Mapping[int, int]) -> list[int]:
    digits = [0] * max((jobs.bit_length() for jobs in masks), default=0)
    for jobs, mask in masks.items():
        for place in range(jobs.bit_length()):
            if jobs >> place & 1:
                digits[place] |= mask
    return digits
