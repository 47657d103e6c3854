"""Which of the classes that fit comes first.

The order is lexicographic: gates and site status (masks, before this), job-type tiers, group, owner, the owner's own
priority, first come first served. Tiers and shares by usage come with the scheduling policies: `tiers_of` is their
place, and `Turns` is what usage divided by share will replace. Until then groups take turns, and so do the owners of a
group.
"""

import heapq
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice

from weyl.matcher.index import Entry, Index

CANDIDATES_PER_GROUP_MAX = 512


class Turns:
    """Remembers who was served last; the one that has waited longest for a turn is next."""

    def __init__(self) -> None:
        self._count = 0
        self._groups: dict[tuple[str, str], int] = {}
        self._owners: dict[tuple[str, str, str], int] = {}

    def of_group(self, vo: str, group: str) -> int:
        """Return when a group had its last turn; 0 is never."""
        return self._groups.get((vo, group), 0)

    def of_owner(self, vo: str, group: str, owner: str) -> int:
        """Return when an owner had the last turn inside a group; 0 is never."""
        return self._owners.get((vo, group, owner), 0)

    def take(self, entry: Entry) -> None:
        """Note that a job of this class was chosen."""
        needs = entry.needs
        self._count += 1
        self._groups[needs.vo, needs.group] = self._count
        self._owners[needs.vo, needs.group, needs.owner] = self._count


class Order:
    """The order of the classes of one mask while a batch is planned; it follows the turns that are taken meanwhile.

    Many questions of a batch see the same classes, so these are sorted once, and only those groups that come up.
    """

    def __init__(self, index: Index, mask: int, *, vo: str, turns: Turns) -> None:
        self._index = index
        self._vo = vo
        self._turns = turns
        self._tiers = [_Tier(dict(index.groups(tier))) for tier in tiers_of(mask)]

    def candidates(self) -> Generator[Entry, None, None]:
        """Yield the classes in the order in which they are to be tried now; close it before a turn is taken."""
        for tier in self._tiers:
            for group in sorted(tier.masks, key=lambda name: (self._turns.of_group(self._vo, name), name)):
                if group not in tier.queues:
                    tier.queues[group] = self._queue_of(group, tier.masks[group])
                yield from self._inside(group, tier.queues[group])

    def _queue_of(self, group: str, mask: int) -> "_GroupQueue":
        by_owner: dict[str, list[Entry]] = {}
        for entry in islice(self._index.chosen(mask), CANDIDATES_PER_GROUP_MAX):
            by_owner.setdefault(entry.needs.owner, []).append(entry)
        for entries in by_owner.values():
            # priorities count only among the jobs of one owner: nobody gains over another by them
            entries.sort(key=lambda entry: (-entry.needs.user_priority, entry.head, entry.class_id))
        heap = [(self._turns.of_owner(self._vo, group, owner), owner) for owner in by_owner]
        heapq.heapify(heap)
        return _GroupQueue(by_owner, heap)

    def _inside(self, group: str, queue: "_GroupQueue") -> Iterator[Entry]:
        """Owners in turn; one whose turn has changed since it was put into the heap is put in again."""
        heap, tried = queue.heap, []
        try:
            while heap:
                noted, owner = heap[0]
                turn = self._turns.of_owner(self._vo, group, owner)
                if turn != noted:
                    heapq.heapreplace(heap, (turn, owner))
                    continue
                tried.append(heapq.heappop(heap))
                yield from queue.by_owner[owner]
        finally:
            for entry in tried:
                heapq.heappush(heap, entry)


@dataclass(slots=True)
class _GroupQueue:
    by_owner: dict[str, list[Entry]]
    heap: list[tuple[int, str]]


@dataclass(slots=True)
class _Tier:
    masks: dict[str, int]
    queues: dict[str, _GroupQueue] = field(default_factory=dict)


def tiers_of(mask: int) -> Iterator[int]:
    """Split a mask by job-type tier, the first tier first: one tier, as long as no policy names any."""
    yield mask
