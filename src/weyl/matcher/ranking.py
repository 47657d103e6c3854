"""Which of the classes that fit comes first.

The order is lexicographic: gates and site status (masks, before this), guaranteed progress, job-type tiers, the group
and then the owner with the least usage by share, the owner's own priority, data on disk where the pilot is, first come
first served.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter

from weyl.matcher.entries import Entry
from weyl.matcher.index import Index
from weyl.matcher.lines import Chosen, Line, Turn, turn_of
from weyl.matcher.shares import Ledger, drawn

# With so few classes of a group the order is exact; they are looked at one by one where that is less work than to walk
# past its owners, every (owners / classes)th of whom has one. Of more classes the order is cut where it takes too long.
FEW = 96
CLASSES_PER_OWNER_LOOKED_AT = 2
OWNERS_WALKED_MAX = FEW
OWNERS_LOOKED_AT_MAX = FEW * FEW // CLASSES_PER_OWNER_LOOKED_AT


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
        elif queue.parts:
            yield from self._along(queue, group, members)
        else:
            for owner in self._ledger.in_order(self._vo, group, queue.by_owner):
                yield from queue.by_owner[owner]

    def _along(self, queue: "_GroupQueue", group: str, members: int) -> Iterator[Entry]:
        """Walk along the owners of a group; what nobody offers to run keeps its owner at the front, to be passed by."""
        lines, walked = self._index.lines(self._vo, group), 0
        owners = self._ledger.owners(self._vo, group, lines, edition=self._index.edition)
        for looked_at, owner in enumerate(owners):
            if walked >= OWNERS_WALKED_MAX or looked_at >= OWNERS_LOOKED_AT_MAX:
                break
            line = lines[owner]
            if line.may_have(members) and (entries := self._of_line(queue, owner, line)):
                walked += 1
                yield from entries
        else:
            return
        yield from self._index.chosen(members)

    def _queue_of(self, group: str, members: int) -> "_GroupQueue":
        is_one_queue = group in self._scheduling.one_queue
        near = members & self._near
        lines, count = self._index.lines(self._vo, group), members.bit_count()
        if count > FEW or count * count > CLASSES_PER_OWNER_LOOKED_AT * len(lines):
            far = members & ~near
            parts = (Chosen(near), Chosen(far)) if near and far else (Chosen(members),)
            if is_one_queue:
                entries = [entry for part in parts for entry in _by_age(lines.values(), part)]
                return _GroupQueue(entries=entries)
            return _GroupQueue(parts=parts)
        found = list(self._index.chosen(members))
        if is_one_queue:
            found.sort(key=lambda entry: (not near >> entry.bit & 1, entry.head, entry.class_id))
            return _GroupQueue(entries=found)
        owned: dict[str, list[Entry]] = {}
        for entry in found:
            owned.setdefault(entry.needs.owner, []).append(entry)
        return _GroupQueue(by_owner={owner: _in_turn(entries, near) for owner, entries in owned.items()})

    def _of_line(self, queue: "_GroupQueue", owner: str, line: Line) -> "Sequence[Entry] | _Found":
        known = queue.by_owner.get(owner)
        if known is None:
            in_turn = line.of(queue.parts[0]) if len(queue.parts) == 1 else _level_by_level(line, queue.parts)
            entries = map(_entry, in_turn)
            known = queue.by_owner[owner] = list(entries) if len(line) <= FEW else _Found(entries)
        return known


@dataclass(slots=True)
class _GroupQueue:
    """The classes of a group: in one line, or by owner.

    A small group has those of all its owners; a large one the classes that are eligible, first of those that come
    first, of which each owner's are found when somebody comes to it.
    """

    entries: list[Entry] | None = None
    by_owner: "dict[str, Sequence[Entry] | _Found]" = field(default_factory=dict)
    parts: tuple[Chosen, ...] = ()


class _Found:
    """The eligible classes of a long line: found once for a whole batch, and only as far as somebody comes."""

    def __init__(self, rest: Iterator[Entry]) -> None:
        self._found: list[Entry] = []
        self._rest = rest

    def __iter__(self) -> Iterator[Entry]:
        yield from self._found
        for entry in self._rest:
            self._found.append(entry)
            yield entry


def _in_turn(entries: list[Entry], near: int) -> list[Entry]:
    """Sort classes of one owner; priorities count only among these: nobody gains over another by them."""
    if len(entries) < 2:
        return entries
    turns = sorted(map(turn_of, entries))
    if near:
        turns.sort(key=lambda turn: (turn[0], not near >> turn[-1].bit & 1))
    return [turn[-1] for turn in turns]


def _level_by_level(line: Line, parts: Sequence[Chosen]) -> Iterable[Turn]:
    """Return the classes of a line that are in a part, of each priority those of the first part first."""
    return merge(*(line.of(part) for part in parts), key=itemgetter(0))


def _by_age(lines: Iterable[Line], chosen: Chosen) -> list[Entry]:
    """Return the classes of several lines that were chosen, the oldest job first."""
    return [turn[-1] for turn in sorted((turn for line in lines for turn in line.of(chosen)), key=itemgetter(1, 2))]


_entry: Callable[[Turn], Entry] = itemgetter(-1)
