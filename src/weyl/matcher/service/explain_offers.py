"""Explains what an offer could get, the other side of why a job waits, from the index of this process."""

from datetime import datetime

from weyl.kit.db import Database
from weyl.kit.services import Key
from weyl.matcher.models import LimitShown, Offer, OfferExplanation, PilotHistory
from weyl.matcher.offer_explanation import Circumstances, Queue, examine_offer, offer_verdict
from weyl.matcher.offers import Place, facts_of, pilot_offer
from weyl.matcher.permits import OfferReader
from weyl.matcher.service.explain import limit_shown
from weyl.matcher.service.matcher import Matcher
from weyl.matcher.service.tallies import Tallies
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.health import Standing

LIMITS_MAX = 10


class OfferExplainer:
    """Explains from what this process knows of waiting jobs, limits and hosts."""

    def __init__(self, db: Database, board: StatusBoard, matcher: Matcher) -> None:
        self._db = db
        self._board = board
        self._matcher = matcher
        self._tallies = Tallies(matcher.index)

    async def explain(
        self, permit: OfferReader, offer: Offer, place: Place, *, now: datetime, pilot: PilotHistory | None = None
    ) -> OfferExplanation:
        """Say what a pilot with this offer would get at the place, and what keeps it from getting more."""
        place = permit.place(place)
        told = self._board.usable(place.vo, site=place.site, ce=place.ce)
        facts = facts_of(self._board.config.current().config, place, told)
        asked = pilot_offer(offer, place, facts, now=now)
        standing = self._matcher.hosts.standing(place.site, offer.host)
        index, book = self._matcher.index, self._matcher.limits.book
        async with self._db.read() as tx:
            waiting = await self._tallies.counted(tx)
        # From here on nothing is awaited: the index stays as it is.
        shut = [] if book.is_empty else book.shut(place, now)
        masks = [(gate, index.limited(gate.rule.vo, *gate.values[2:])) for gate in shut]
        kept_out = 0
        for _, mask in masks:
            kept_out |= mask
        queue = Queue(index, waiting)
        near_first = self._matcher.usage.ledger.scheduling(place.vo).local_data_first
        found = examine_offer(queue, asked, Circumstances(standing is Standing.CLOSED, kept_out, near_first))
        limits: list[LimitShown] = [
            limit_shown(gate, book.state(gate.key), cores=1, now=now)
            for gate, mask in masks
            if mask & index.waiting_of(place.vo)
        ]
        return OfferExplanation(
            vo=place.vo,
            site=place.site,
            ce=place.ce,
            queue=place.queue,
            host=offer.host,
            closed=facts.closed,
            host_standing=standing.value,
            classes=found.classes,
            jobs=found.jobs,
            steps=found.steps,
            nearest=found.nearest,
            limits=limits[:LIMITS_MAX],
            classes_left=found.classes_left,
            jobs_left=found.jobs_left,
            pilot=pilot,
            verdict=_verdict_of(pilot) + offer_verdict(found, queue, asked, closed_because=facts.closed),
        )

    async def note_down(self) -> None:
        """Write down what pilots have asked this process until now."""
        await self._matcher.write_questions()


def _verdict_of(pilot: PilotHistory | None) -> str:
    if pilot is None:
        return ""
    if pilot.status in ("Done", "Failed", "Aborted", "Deleted"):
        return f"It has ended as {pilot.status} ({pilot.status_reason}). As it was last seen: "
    if pilot.is_draining:
        return "It was told to drain and takes no more jobs. Otherwise: "
    return ""


OFFER_EXPLAINER: Key[OfferExplainer] = Key("the explainer of offers")
