"""Explains what a registered pilot could get, from what it last offered."""

from datetime import datetime

from weyl.kit.db import Tx
from weyl.matcher.models import Offer, OfferExplanation, PilotHistory
from weyl.matcher.offers import Place
from weyl.matcher.permits import OfferReader
from weyl.matcher.queries.offers import select_question
from weyl.matcher.service.explain_offers import OfferExplainer
from weyl.pilots.errors import PilotNeverAsked, PilotNotFound
from weyl.pilots.permits import PilotScope
from weyl.pilots.queries.registry import select_pilot

UNKNOWN = ("NotAssigned", "Unknown")


async def explain(
    tx: Tx, explainer: OfferExplainer, permit: OfferReader, stamp: str, *, now: datetime
) -> OfferExplanation:
    """Say what a pilot could get and what it has asked for; raises `PilotNotFound`, or says that it never asked."""
    row = await select_pilot(tx, PilotScope(permit.vo), stamp)
    if row is None:
        raise PilotNotFound(stamp)
    await explainer.note_down()
    question = await select_question(tx, stamp)
    if question is None or question.doc is None:
        raise PilotNeverAsked(
            f"Pilot {stamp} is {row.status} and has asked for no job that is remembered: "
            "ask with an offer of its kind instead"
        )
    history = PilotHistory(
        stamp=stamp,
        status=row.status,
        status_reason=row.status_reason,
        is_draining=row.drain_at is not None,
        asked=question.asked,
        hits=question.hits,
        last_asked_at=question.at,
        last_miss=question.miss,
        last_miss_at=question.miss_at,
    )
    ce, queue = (None if name in UNKNOWN else name for name in (row.destination_site, row.queue))
    place = Place(row.vo, row.grid_site, ce, queue)
    return await explainer.explain(permit, Offer.model_validate(question.doc), place, now=now, pilot=history)
