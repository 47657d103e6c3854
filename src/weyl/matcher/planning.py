"""Which class is tried for whom: the decision of one round, before anything is popped."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from weyl.matcher.entries import Entry
from weyl.matcher.evaluation import Allocation, Needs, fit
from weyl.matcher.gate_book import GateBook
from weyl.matcher.index import Index
from weyl.matcher.offers import PilotOffer
from weyl.matcher.ranking import Order
from weyl.matcher.shares import Ledger


@dataclass(slots=True)
class Bound:
    """One job that a pilot got."""

    job_id: int
    entry: Entry
    allocation: Allocation
    owner: str
    owner_group: str
    vo: str
    parameters: dict[str, Any] | None
    work: dict[str, Any] = field(default_factory=dict)


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
    # How often a place or a limit had opened when the offer was made: it may say that a place is closed.
    openings: int = 0

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
    is_bound: bool = False
    # What was charged for the job; given back if there is none.
    charged: float = 0.0


def plan(attempts: Sequence[Attempt], index: Index, ledger: Ledger, book: GateBook) -> list[Slot]:
    """Choose a class for every job still wanted; attempts that find none are told the condition that kept them."""
    chooser = _Chooser(index, ledger, book)
    slots: list[Slot] = []
    for attempt in attempts:
        chosen = chooser.slots(attempt)
        if not chosen and not attempt.bound:
            attempt.miss = chooser.reason(attempt.offer)
        slots.extend(chosen)
    return slots


class _Chooser:
    """Chooses for one batch.

    A class is not chosen more often than it is believed to have jobs that no other batch is about to take, so that the
    tail of small classes does not cost a round each.
    """

    def __init__(self, index: Index, ledger: Ledger, book: GateBook) -> None:
        self._index = index
        self._ledger = ledger
        self._book = book
        self._planned: Counter[int] = Counter()
        self._orders: dict[tuple[str, int, int], Order] = {}
        self._is_kept_out = False
        # What is believed to wait is for others: of another batch, or of this one, of whom a later round may tell more.
        self._is_outrun = self._may_be_left = False

    def slots(self, attempt: Attempt) -> list[Slot]:
        """Return places for the jobs that an attempt still wants."""
        offer = attempt.left()
        self._is_kept_out = self._is_outrun = self._may_be_left = self._book.met_busy = False
        slots: list[Slot] = []
        order: Order | None = None
        while offer is not None and len(attempt.bound) + len(slots) < attempt.wanted:
            order = order or self._order_for(offer)
            found = self._best(order, offer)
            if found is None:
                break
            entry, allocation = found
            charged = estimate(entry.needs, allocation, offer)
            order.take(entry, charged)
            if not self._book.is_empty:
                self._book.plan(entry, offer.place, allocation.cores)
            self._planned[entry.class_id] += 1
            slots.append(Slot(attempt, entry, allocation, entry.notices, charged=charged))
            if attempt.fill:
                offer, order = _beside(offer, allocation), None
        return slots

    def reason(self, offer: PilotOffer) -> str | None:
        """Say why there is nothing for an offer; None: there is, but others are at it just now."""
        if (condition := self._index.first_empty(offer)) is not None:
            return condition
        if self._is_outrun:
            return None if self._may_be_left else "busy"
        if self._is_kept_out:
            return None if self._book.met_busy else "gates"
        return "allocation"

    def _order_for(self, offer: PilotOffer) -> Order:
        mask, vo = self._index.eligible(offer), offer.place.vo
        if not self._book.is_empty:
            open_ = mask & ~self._book.closed(offer.place, self._index)
            self._is_kept_out = open_ != mask
            mask = open_
        near = mask & self._index.with_data_at(offer.place.site)
        if near and not self._ledger.scheduling(vo).local_data_first:
            near = 0
        order = self._orders.get((vo, mask, near))
        if order is None:
            order = self._orders[vo, mask, near] = Order(self._index, mask, vo=vo, ledger=self._ledger, near=near)
        return order

    def _best(self, order: Order, offer: PilotOffer) -> tuple[Entry, Allocation] | None:
        with closing(order.candidates()) as candidates:
            for entry in candidates:
                planned = self._planned[entry.class_id]
                if entry.waiting is not None and planned + entry.under_way >= max(1, entry.waiting):
                    self._is_outrun = True
                    self._may_be_left |= planned > 0
                    continue
                allocation = fit(entry.needs, offer)
                if allocation is None:
                    continue
                if self._book.is_empty or self._book.admits(entry, offer.place, allocation.cores):
                    return entry, allocation
                self._is_kept_out = True
        return None


def estimate(needs: Needs, allocation: Allocation, offer: PilotOffer) -> float:
    """Return what a job will use, in DB12 core-seconds, as far as can be known before it runs."""
    at_most = allocation.limit_wall_s * allocation.cores * offer.power
    return min(float(needs.work), at_most) if needs.work else at_most


def _beside(offer: PilotOffer, job: Allocation) -> PilotOffer | None:
    return offer.without(cores=job.cores, ram_mb=job.ram_mb, gpus=job.gpus, scratch_mb=job.scratch_mb)
