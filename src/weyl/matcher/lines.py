"""The classes of one owner in the order in which they are served.

What nobody offers to run stays at the front for days, so that a walk from the front would pass it a thousand times a
second: a line is kept in blocks, and a block in which nothing is eligible is passed with one AND.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from weyl.matcher.bitsets import mask_of
from weyl.matcher.entries import Entry

Turn = tuple[int, int, int, Entry]
"""Who comes first: (- priority, oldest job, class, entry)."""

BLOCK = 64
ANY = -1
MASKED_BITS_MAX = 20_000


def turn_of(entry: Entry) -> Turn:
    """Return where a class stands among those of its owner."""
    return -entry.needs.user_priority, entry.head, entry.class_id, entry


class Chosen:
    """A mask, and the same as bytes, in which a bit is found without copying the mask."""

    __slots__ = ("held", "mask")

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.held = mask.to_bytes((mask.bit_length() + 7) // 8, "little")


class Line:
    """Turns in their order, in blocks, each with its last turn and the mask of its classes.

    Where there are many classes a line of one block has no mask (-1 stands for any class): there are as many such lines
    as owners, and each mask is as long as there are classes.
    """

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        ordered = sorted(turns)
        self._blocks = [ordered[start : start + BLOCK] for start in range(0, len(ordered), BLOCK)]
        self._lasts = [block[-1] for block in self._blocks]
        self._masks = [self._mask(block) for block in self._blocks]

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, turn: Turn) -> None:
        """Let a class stand in line."""
        if not self._blocks:
            self._put(0, [turn])
            return
        place = min(bisect_left(self._lasts, turn), len(self._blocks) - 1)
        block = self._blocks[place]
        insort(block, turn)
        if len(block) > 2 * BLOCK:
            self._put(place, block[:BLOCK], block[BLOCK:], instead_of=1)
        else:
            self._lasts[place] = block[-1]
            if len(self._blocks) == 1 and turn[-1].bit >= MASKED_BITS_MAX:
                self._masks[place] = ANY
            elif self._masks[place] != ANY:
                self._masks[place] |= 1 << turn[-1].bit

    def remove(self, turn: Turn) -> None:
        """Let a class leave; it stands where it was put."""
        place = bisect_left(self._lasts, turn)
        block = self._blocks[place]
        del block[bisect_left(block, turn)]
        if block:
            self._lasts[place] = block[-1]
            if self._masks[place] != ANY:
                self._masks[place] &= ~(1 << turn[-1].bit)
        else:
            self._put(place, instead_of=1)

    def may_have(self, mask: int) -> bool:
        """Say whether some of a mask may be here; in a line of several blocks they are."""
        return any(map(mask.__and__, self._masks))

    def of(self, chosen: Chosen) -> Iterator[Turn]:
        """Yield those that were chosen in their order; the line must not change meanwhile."""
        mask, held, size = chosen.mask, chosen.held, len(chosen.held)
        for block, members in zip(self._blocks, self._masks, strict=True):
            if members & mask:
                for turn in block:
                    bit = turn[-1].bit
                    byte = bit >> 3
                    if byte < size and held[byte] >> (bit & 7) & 1:
                        yield turn

    def _put(self, place: int, *blocks: list[Turn], instead_of: int = 0) -> None:
        where = slice(place, place + instead_of)
        self._blocks[where] = blocks
        self._lasts[where] = [block[-1] for block in blocks]
        self._masks[where] = [self._mask(block) for block in blocks]

    def _mask(self, block: list[Turn]) -> int:
        bits = [turn[-1].bit for turn in block]
        largest = max(bits)
        return ANY if len(self._blocks) == 1 and largest >= MASKED_BITS_MAX else mask_of(bits, largest)
