"""Sets of small numbers as Python integers, kept by value, by bound, and by predicate."""

import bisect
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

V = TypeVar("V", bound=Hashable)
K = TypeVar("K", bound=Hashable)

MEMO_KEYS_MAX = 10_000
MEMO_BYTES_MAX = 1 << 25
LARGE = 256
# Above this many evaluations it is cheaper to forget what was remembered than to bring it up to date.
MEMO_UPDATES_MAX = 20_000


def mask_of(bits: Iterable[int], size: int) -> int:
    """Make a mask in one go; or-ing bit by bit into a long integer copies it each time."""
    buffer = bytearray(size // 8 + 1)
    for bit in bits:
        buffer[bit >> 3] |= 1 << (bit & 7)
    return int.from_bytes(buffer, "little")


_NOT_EMPTY = re.compile(rb"[^\x00]")
_BITS = [tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256)]


def bits_of(mask: int) -> Iterator[int]:
    """Yield the numbers in a mask, the lowest first; empty stretches are passed over without a step in Python."""
    held = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    for found in _NOT_EMPTY.finditer(held):
        place = found.start()
        for bit in _BITS[held[place]]:
            yield place * 8 + bit


class ValueMasks(Generic[V]):
    """For each value, who has it."""

    def __init__(self) -> None:
        self._masks: dict[V, int] = {}

    def build(self, members: Mapping[V, Sequence[int]], size: int) -> None:
        """Take the whole content at once: who has each value."""
        self._masks = {value: mask_of(bits, size) for value, bits in members.items()}

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

    def build(self, members: Mapping[int, Sequence[int]], size: int) -> None:
        """Take the whole content at once: who wants each amount."""
        self._amounts = sorted(members)
        self._masks = []
        mask = 0
        for amount in self._amounts:
            mask |= mask_of(members[amount], size)
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

    def least(self, mask: int) -> int | None:
        """Return the smallest amount that anybody of a mask wants; the masks grow, so that it is found by halves."""
        place = bisect.bisect_left(self._masks, True, key=lambda reached: bool(reached & mask))
        return self._amounts[place] if place < len(self._amounts) else None


class MemoMasks(Generic[V, K]):
    """For each offered key, whose value the predicate accepts; each distinct pair is judged once."""

    def __init__(self, accepts: Callable[[V, K], bool]) -> None:
        self._accepts = accepts
        # Sets and not masks: most values belong to one or two numbers, and there may be as many of them as numbers.
        self._members: dict[V, set[int]] = {}
        # The few values that many have are kept as masks, too, once somebody has asked.
        self._large: dict[V, int] = {}
        self._size = 0
        self._memo: OrderedDict[K, int] = OrderedDict()

    def build(self, members: Mapping[V, Sequence[int]], size: int) -> None:
        """Take the whole content at once: who has each value."""
        self._members = {value: set(bits) for value, bits in members.items()}
        self._large.clear()
        self._size = size
        self._memo.clear()

    def add(self, bit: int, value: V) -> None:
        """Give a number a value."""
        self._members.setdefault(value, set()).add(bit)
        self._large.pop(value, None)
        self._size = max(self._size, bit + 1)
        for key in self._memo:
            if self._accepts(value, key):
                self._memo[key] |= 1 << bit

    def remove(self, bit: int, value: V) -> None:
        """Take the value away."""
        members = self._members[value]
        members.discard(bit)
        self._large.pop(value, None)
        if not members:
            del self._members[value]
        for key, mask in self._memo.items():
            if mask >> bit & 1:
                self._memo[key] = mask & ~(1 << bit)

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
        accepts = self._accepts
        accepted = [(value, bits) for value, bits in self._members.items() if accepts(value, key)]
        found = mask_of(chain.from_iterable(bits for _, bits in accepted if len(bits) < LARGE), self._size)
        for value, bits in accepted:
            if len(bits) >= LARGE:
                if value not in self._large:
                    self._large[value] = mask_of(bits, self._size)
                found |= self._large[value]
        self._memo[key] = found
        while len(self._memo) > min(MEMO_KEYS_MAX, 1 + 8 * MEMO_BYTES_MAX // max(1, self._size)):
            self._memo.popitem(last=False)
        return found
