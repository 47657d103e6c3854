"""Which of the classes that fit comes first.

The order is lexicographic: gates and site status (masks, before this), job-type tiers, group, owner, the owner's own
priority, first come first served. Tiers and shares by usage come with the scheduling policies: `tiers_of` is their
place, and `Turns` is what usage divided by share will replace. Until then groups take turns, and so do the owners of a
group.
"""

from collections.abc import Iterator

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


def preferred(index: Index, mask: int, *, vo: str, turns: Turns) -> Iterator[Entry]:
    """Yield the classes of a mask in the order in which they are to be tried."""
    for tier in tiers_of(mask):
        groups = sorted(index.groups(tier), key=lambda pair: (turns.of_group(vo, pair[0]), pair[0]))
        for group, members in groups:
            yield from _inside_group(index, members, vo=vo, group=group, turns=turns)


def tiers_of(mask: int) -> Iterator[int]:
    """Split a mask by job-type tier, the first tier first: one tier, as long as no policy names any."""
    yield mask


def _inside_group(index: Index, mask: int, *, vo: str, group: str, turns: Turns) -> Iterator[Entry]:
    """Owners take turns; priorities count only among the jobs of one owner: nobody gains over another by them."""
    candidates = []
    for entry in index.chosen(mask):
        candidates.append(entry)
        if len(candidates) == CANDIDATES_PER_GROUP_MAX:
            break
    candidates.sort(
        key=lambda entry: (
            turns.of_owner(vo, group, entry.needs.owner),
            entry.needs.owner,
            -entry.needs.user_priority,
            entry.head,
            entry.class_id,
        )
    )
    yield from candidates
