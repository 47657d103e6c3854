"""Which class is tried for whom: the decision of one round, before anything is popped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from weyl.matcher.evaluation import Allocation, fit
from weyl.matcher.index import Entry, Index
from weyl.matcher.offers import PilotOffer
from weyl.matcher.ranking import Turns, preferred


@dataclass(slots=True)
class Bound:
    """One job that a pilot got."""

    job_id: int
    entry: Entry
    allocation: Allocation
    owner: str
    owner_group: str
    vo: str
    description_id: int
    parameters: dict[str, Any] | None
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One pilot's question on its way through the rounds of a batch."""

    stamp: str
    offer: PilotOffer
    wanted: int = 1
    fill: bool = False
    request_id: str | None = None
    bound: list[Bound] = field(default_factory=list)
    miss: str | None = None
    # Notices that this process had heard when the index was last asked in vain.
    missed_at: int = 0

    def forget(self) -> None:
        """Take back what a round decided: its transaction did not commit, or it is to be asked again."""
        self.bound, self.miss = [], None

    @property
    def is_satisfied(self) -> bool:
        """Say whether nothing more is wanted."""
        return len(self.bound) >= self.wanted

    def left(self) -> PilotOffer | None:
        """Return what is on offer for the next job: all of it, or, side by side, what the others leave."""
        offer: PilotOffer | None = self.offer
        if self.fill:
            for job in self.bound:
                offer = None if offer is None else _beside(offer, job.allocation)
        return offer


@dataclass(slots=True)
class Slot:
    """A place for one job of a class, with what the job would get."""

    attempt: Attempt
    entry: Entry
    allocation: Allocation
    notices: int


def plan(attempts: Sequence[Attempt], index: Index, turns: Turns) -> list[Slot]:
    """Choose a class for every job still wanted; attempts that find none are told the condition that kept them.

    A class is not chosen more often than it is believed to have jobs, so that the tail of small classes does not cost a
    round each.
    """
    planned: Counter[int] = Counter()
    slots: list[Slot] = []
    for attempt in attempts:
        chosen = _choose(attempt, index, turns, planned)
        if not chosen and not attempt.bound:
            attempt.miss = index.first_empty(attempt.offer) or "allocation"
        slots.extend(chosen)
    return slots


def _choose(attempt: Attempt, index: Index, turns: Turns, planned: Counter[int]) -> list[Slot]:
    offer = attempt.left()
    slots: list[Slot] = []
    mask: int | None = None
    while offer is not None and len(attempt.bound) + len(slots) < attempt.wanted:
        mask = index.eligible(offer) if mask is None else mask
        found = _best(index, mask, offer, turns=turns, planned=planned)
        if found is None:
            break
        entry, allocation = found
        turns.take(entry)
        planned[entry.class_id] += 1
        slots.append(Slot(attempt, entry, allocation, entry.notices))
        if attempt.fill:
            offer, mask = _beside(offer, allocation), None
    return slots


def _best(
    index: Index, mask: int, offer: PilotOffer, *, turns: Turns, planned: Counter[int]
) -> tuple[Entry, Allocation] | None:
    for entry in preferred(index, mask, vo=offer.place.vo, turns=turns):
        if entry.waiting is not None and planned[entry.class_id] >= max(1, entry.waiting):
            continue
        allocation = fit(entry.needs, offer)
        if allocation is not None:
            return entry, allocation
    return None


def _beside(offer: PilotOffer, job: Allocation) -> PilotOffer | None:
    return offer.without(cores=job.cores, ram_mb=job.ram_mb, gpus=job.gpus, scratch_mb=job.scratch_mb)
