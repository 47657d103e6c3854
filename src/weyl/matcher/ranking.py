"""Which of the classes that fit comes first.

The order is lexicographic: gates and site status (masks, before this), guaranteed progress, job-type tiers, the group
and then the owner with the least usage by share, the owner's own priority, data on disk where the pilot is, first come
first served.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

from weyl.matcher.index import Entry, Index
from weyl.matcher.shares import Ledger, OwnerQueue, drawn

# With so few classes of a group they are looked at one by one; with more, the queues of its owners are walked.
FEW = 96
OWNERS_WALKED_MAX = 64
OWNERS_LOOKED_AT_MAX = 1_000


class Order:
    """The order of the classes of one mask while a batch is planned; it follows what is charged meanwhile.

    Those of `near` have their input data on disk where the pilot is: each owner's come before his others of the same
    priority, so that no owner gains over another by them.

    Many questions of a batch see the same classes; what is sorted for one is sorted for all, and only as far as they
    come to it.
    """

    def __init__(self, index: Index, mask: int, *, vo: str, ledger: Ledger, near: int = 0) -> None:
        self._index = index
        self._vo = vo
        self._ledger = ledger
        self._mask = mask
        self._near = near
        self._scheduling = ledger.scheduling(vo)
        self._groups = dict(index.groups(mask))
        self._queues: dict[tuple[str, int], _GroupQueue] = {}
        self._fixed = [self._tier(tier.names) for tier in self._scheduling.tiers]
        # Groups with a job that has waited for long, with all their classes, whatever the tier.
        self.waited = {group: members for group, members in self._groups.items() if members & index.old}

    def candidates(self) -> Generator[Entry, None, None]:
        """Yield the classes in the order in which they are to be tried now; close it before anything is charged."""
        for group in self._ledger.due(self._vo, self.waited):
            yield from self._inside(group, self._groups[group])
        for mask in self._tiers():
            groups = [(self._ledger.of_group(self._vo, group), group) for group in self._groups]
            for _, group in sorted(groups):
                if members := self._groups[group] & mask:
                    yield from self._inside(group, members)

    def first(self) -> Entry | None:
        """Return the class that is to be tried first."""
        with closing(self.candidates()) as candidates:
            return next(candidates, None)

    def take(self, entry: Entry, amount: float) -> None:
        """Note that a job of the class was chosen, for so much usage."""
        needs = entry.needs
        self._ledger.charge(needs.vo, needs.group, needs.owner, amount)
        if self.waited:
            self._ledger.served(self._vo, needs.group, self.waited)

    def _tiers(self) -> Iterator[int]:
        """Split the mask by tier; a tier with weights is drawn anew each time, types that no tier names come last."""
        left = self._mask
        for tier, named in zip(self._scheduling.tiers, self._fixed, strict=True):
            if not named & left:
                continue
            if tier.weights is None:
                yield named & left
            else:
                for job_type in drawn(tier.weights, self._ledger.chance):
                    if mask := self._tier([job_type]) & left:
                        yield mask
            left &= ~named
        if left:
            yield left

    def _tier(self, job_types: Iterable[str]) -> int:
        return self._index.of_job_types(job_types) & self._mask

    def _inside(self, group: str, members: int) -> Iterator[Entry]:
        queue = self._queues.get((group, members))
        if queue is None:
            queue = self._queues[group, members] = self._queue_of(group, members)
        if queue.entries is not None:
            yield from queue.entries
            return
        walked = 0
        assert queue.owners is not None
        with closing(queue.owners.walk()) as owners:
            for looked_at, owner in enumerate(owners):
                if queue.parts and (walked >= OWNERS_WALKED_MAX or looked_at >= OWNERS_LOOKED_AT_MAX):
                    break
                if entries := self._of_owner(queue, group, owner):
                    walked += 1
                    yield from entries
            else:
                return
        yield from self._index.chosen(members)

    def _queue_of(self, group: str, members: int) -> "_GroupQueue":
        is_one_queue = group in self._scheduling.one_queue
        few = members.bit_count() <= FEW
        near = members & self._near
        if not few:
            far = members & ~near if near else members
            parts = (_held(near), _held(far)) if near and far else (_held(members),)
            if is_one_queue:
                every = [key for keys in self._index.owners(self._vo, group).values() for key in keys]
                every.sort(key=_age)
                return _GroupQueue(entries=[entry for part in parts for entry in _those_of(every, part)])
            names = self._index.owners(self._vo, group)
            owners = self._ledger.owners(self._vo, group, names, edition=self._index.edition)
            return _GroupQueue(owners=owners, parts=parts)
        found = list(self._index.chosen(members))
        if is_one_queue:
            found.sort(key=lambda entry: (not near >> entry.bit & 1, entry.head, entry.class_id))
            return _GroupQueue(entries=found)
        owned: dict[str, list[Entry]] = {}
        for entry in found:
            owned.setdefault(entry.needs.owner, []).append(entry)
        owners = OwnerQueue(owned, self._ledger, vo=self._vo, group=group)
        return _GroupQueue(owners=owners, members=owned)

    def _of_owner(self, queue: "_GroupQueue", group: str, owner: str) -> "list[Entry] | _Line":
        known = queue.by_owner.get(owner)
        if known is not None:
            return known
        if not queue.parts:
            found = queue.by_owner[owner] = _in_turn(queue.members.get(owner, []), self._near)
            return found
        keys = self._index.owners(self._vo, group)[owner]
        several = len(queue.parts) > 1
        entries = _level_by_level(keys, queue.parts) if several else _those_of(keys, queue.parts[0])
        made: list[Entry] | _Line = list(entries) if len(keys) <= FEW else _Line(entries)
        queue.by_owner[owner] = made
        return made


@dataclass(slots=True)
class _GroupQueue:
    """The classes of a group: in one line, or by owner, of whom only those who are walked past have theirs sorted.

    A small group has `members`, each owner's classes in any order; a large one the masks of those that are eligible,
    first of those that come first.
    """

    entries: list[Entry] | None = None
    owners: OwnerQueue | None = None
    by_owner: "dict[str, list[Entry] | _Line]" = field(default_factory=dict)
    members: dict[str, list[Entry]] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()


class _Line:
    """The classes of a long line: found once for a whole batch, and only as far as somebody comes."""

    def __init__(self, rest: Iterator[Entry]) -> None:
        self._found: list[Entry] = []
        self._rest = rest

    def __iter__(self) -> Iterator[Entry]:
        yield from self._found
        for entry in self._rest:
            self._found.append(entry)
            yield entry


def _held(mask: int) -> bytes:
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def _in_turn(entries: list[Entry], near: int) -> list[Entry]:
    """Sort classes of one owner; priorities count only among these: nobody gains over another by them."""
    if len(entries) < 2:
        return entries
    places = [(-entry.needs.user_priority, entry.head, entry.class_id, entry) for entry in entries]
    places.sort()
    if near:
        places.sort(key=lambda place: (place[0], not near >> place[-1].bit & 1))
    return [place[-1] for place in places]


def _level_by_level(keys: Sequence[tuple[int, int, int, Entry]], parts: Sequence[bytes]) -> Iterator[Entry]:
    """Yield the classes of an owner's line that are in a part, of each priority those of the first part first."""
    for _, level in groupby(keys, key=_priority):
        equals = list(level)
        for part in parts:
            yield from _those_of(equals, part)


def _those_of(keys: Iterable[tuple[int, int, int, Entry]], eligible: bytes) -> Iterator[Entry]:
    """Yield the classes of a line that are in a mask; long lines are walked a thousand times a second."""
    size = len(eligible)
    for key in keys:
        entry = key[-1]
        bit = entry.bit
        place = bit >> 3
        if place < size and eligible[place] >> (bit & 7) & 1:
            yield entry


def _priority(key: tuple[int, int, int, Entry]) -> int:
    return key[0]


def _age(key: tuple[int, int, int, Entry]) -> tuple[int, int]:
    return key[1], key[2]
