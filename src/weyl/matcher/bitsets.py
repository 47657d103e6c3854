"""Sets of small numbers as Python integers, kept by value, by bound, and by predicate."""

import bisect
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)
K = TypeVar("K", bound=Hashable)

MEMO_KEYS_MAX = 10_000
# Above this many evaluations it is cheaper to forget what was remembered than to bring it up to date.
MEMO_UPDATES_MAX = 20_000


def mask_of(bits: Iterable[int], size: int) -> int:
    """Make a mask in one go; or-ing bit by bit into a long integer copies it each time."""
    buffer = bytearray(size // 8 + 1)
    for bit in bits:
        buffer[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


def bits_of(mask: int) -> Iterator[int]:
    """Yield the numbers in a mask, the lowest first."""
    words = memoryview(mask.to_bytes((mask.bit_length() + 63) // 64 * 8, sys.byteorder)).cast("Q")
    ordered = words if sys.byteorder == "little" else words[::-1]
    for place, word in enumerate(ordered):
        rest = word
        while rest:
            low = rest & -rest
            yield place * 64 + low.bit_length() - 1
            rest ^= low


def _grouped(pairs: Iterable[tuple[int, V]]) -> dict[V, list[int]]:
    found: dict[V, list[int]] = {}
    for bit, value in pairs:
        found.setdefault(value, []).append(bit)
    return found


class ValueMasks(Generic[V]):
    """For each value, who has it."""

    def __init__(self) -> None:
        self._masks: dict[V, int] = {}

    def build(self, pairs: Iterable[tuple[int, V]], size: int) -> None:
        """Take the whole content at once."""
        self._masks = {value: mask_of(bits, size) for value, bits in _grouped(pairs).items()}

    def add(self, bit: int, value: V) -> None:
        """Give a number a value."""
        self._masks[value] = self._masks.get(value, 0) | 1 << bit

    def remove(self, bit: int, value: V) -> None:
        """Take the value away; one that nobody has is forgotten."""
        left = self._masks.get(value, 0) & ~(1 << bit)
        if left:
            self._masks[value] = left
        else:
            self._masks.pop(value, None)

    def of(self, value: V) -> int:
        """Return who has the value."""
        return self._masks.get(value, 0)

    def of_any(self, values: Iterable[V]) -> int:
        """Return who has one of the values."""
        found = 0
        for value in values:
            found |= self._masks.get(value, 0)
        return found

    def items(self) -> Mapping[V, int]:
        """Return all values with their masks."""
        return self._masks


class PrefixMasks:
    """For each amount, who wants no more than that: sorted amounts with growing masks."""

    def __init__(self) -> None:
        self._amounts: list[int] = []
        self._masks: list[int] = []

    def build(self, pairs: Iterable[tuple[int, int]], size: int) -> None:
        """Take the whole content at once."""
        grouped = _grouped(pairs)
        self._amounts = sorted(grouped)
        self._masks = []
        mask = 0
        for amount in self._amounts:
            mask |= mask_of(grouped[amount], size)
            self._masks.append(mask)

    def add(self, bit: int, amount: int) -> None:
        """Let a number want an amount."""
        place = bisect.bisect_left(self._amounts, amount)
        if place == len(self._amounts) or self._amounts[place] != amount:
            self._amounts.insert(place, amount)
            self._masks.insert(place, self._masks[place - 1] if place else 0)
        for later in range(place, len(self._masks)):
            self._masks[later] |= 1 << bit

    def remove(self, bit: int, amount: int) -> None:
        """Let a number want nothing any more; amounts stay until the next build."""
        for later in range(bisect.bisect_left(self._amounts, amount), len(self._masks)):
            self._masks[later] &= ~(1 << bit)

    def up_to(self, amount: float) -> int:
        """Return who wants no more than this."""
        place = bisect.bisect_right(self._amounts, amount)
        return self._masks[place - 1] if place else 0


class MemoMasks(Generic[V, K]):
    """For each offered key, whose value the predicate accepts; each distinct pair is judged once."""

    def __init__(self, accepts: Callable[[V, K], bool]) -> None:
        self._accepts = accepts
        self._values: ValueMasks[V] = ValueMasks()
        self._memo: OrderedDict[K, int] = OrderedDict()

    def build(self, pairs: Iterable[tuple[int, V]], size: int) -> None:
        """Take the whole content at once."""
        self._values.build(pairs, size)
        self._memo.clear()

    def add(self, bit: int, value: V) -> None:
        """Give a number a value."""
        self._values.add(bit, value)
        for key in self._memo:
            if self._accepts(value, key):
                self._memo[key] |= 1 << bit

    def remove(self, bit: int, value: V) -> None:
        """Take the value away."""
        self._values.remove(bit, value)
        for key in self._memo:
            self._memo[key] &= ~(1 << bit)

    def prepare(self, additions: int) -> None:
        """Make ready for so many additions."""
        if additions * len(self._memo) > MEMO_UPDATES_MAX:
            self._memo.clear()

    def for_key(self, key: K) -> int:
        """Return whose value goes with the key."""
        known = self._memo.get(key)
        if known is not None:
            self._memo.move_to_end(key)
            return known
        found = 0
        for value, mask in self._values.items().items():
            if self._accepts(value, key):
                found |= mask
        self._memo[key] = found
        if len(self._memo) > MEMO_KEYS_MAX:
            self._memo.popitem(last=False)
        return found
