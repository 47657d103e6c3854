"""Explains why a job waits, from its class, the offers of the last day and its place in the queue."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cachetools import LRUCache

from weyl.jobs.errors import JobNotFound
from weyl.jobs.permits import Readable
from weyl.kit.db import Tx
from weyl.matcher import queries
from weyl.matcher.evaluation import needs_of
from weyl.matcher.explanation import Candidate, Findings, examine, verdict
from weyl.matcher.models import Explanation, Offer
from weyl.matcher.offers import PilotOffer, Place, facts_of, pilot_offer
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.queries import select_classes

OFFERS_SINCE = timedelta(hours=24)
OFFERS_MAX = 5_000
WAITING = "Waiting"
FINAL = {"Done", "Completed", "Failed", "Killed", "Deleted"}

PilotsSeen = Callable[[Tx, str, datetime], Awaitable[Mapping[Place, int]]]
"""Returns how many pilots of a VO have spoken at each place since a time."""


class Explainer:
    """Keeps what it has read of offers: they never change, and reading one takes longer than judging it."""

    def __init__(self, board: StatusBoard, pilots_seen: PilotsSeen) -> None:
        self._board = board
        self._pilots_seen = pilots_seen
        self._offers: LRUCache[tuple[str, bytes, Place], tuple[PilotOffer, str | None]] = LRUCache(OFFERS_MAX)

    async def explain(self, tx: Tx, permit: Readable, job_id: int, *, now: datetime) -> Explanation:
        """Say why a job waits; for one that does not wait, say what it does instead. Raises `JobNotFound`."""
        row = await queries.select_waiting_job(tx, permit.one(job_id))
        if row is None:
            raise JobNotFound(job_id)
        if row["status"] != WAITING:
            return Explanation(job_id=job_id, status=row["status"], verdict=_verdict_of_status(row))
        candidates = await self.candidates(tx, row["vo"], now)
        found = {
            class_id: examine(needs_of(document), candidates)
            for class_id, document in (await select_classes(tx, row["class_ids"])).items()
        }
        explanation = Explanation(
            job_id=job_id,
            status=row["status"],
            waiting_s=max(0, int((now - row["last_update_time"]).total_seconds())),
            verdict="It waits in no class: `weyl task-queues rebuild` puts it back",
        )
        if not found:
            return explanation
        class_id = max(found, key=lambda class_id: found[class_id].progress)
        place = await queries.select_place(tx, class_id, job_id)
        return explanation.model_copy(
            update={
                "class_id": class_id,
                "position": place["ahead"] + 1,
                "jobs_in_class": place["jobs"],
                "steps": found[class_id].steps,
                "nearest": found[class_id].nearest,
                "verdict": _verdict(found[class_id], alternatives=len(found), ahead=place["ahead"]),
            }
        )

    async def candidates(self, tx: Tx, vo: str, now: datetime) -> list[Candidate]:
        """Return the kinds of pilots that asked for work of a VO in the last day."""
        since = now - OFFERS_SINCE
        rows = await queries.select_offers(tx, vo=vo, since=since, limit=OFFERS_MAX)
        pilots = await self._pilots_seen(tx, vo, since) if rows else {}
        revision = self._board.revision
        questions: Counter[Place] = Counter()
        for row in rows:
            questions[_place(row)] += row["questions"]
        found = []
        for row in rows:
            place = _place(row)
            offer, closed = self._read(row, place, revision, now)
            share = pilots.get(place, 0) * row["questions"] / max(1, questions[place])
            found.append(Candidate(offer, max(1, round(share)), closed))
        return found

    def _read(
        self, row: Mapping[str, Any], place: Place, revision: str, now: datetime
    ) -> tuple[PilotOffer, str | None]:
        key = (revision, bytes(row["hash"]), place)
        known = self._offers.get(key)
        if known is None:
            told = self._board.usable(place.vo, site=place.site, ce=place.ce)
            facts = facts_of(self._board.config.current().config, place, told)
            offer = pilot_offer(Offer.model_validate(row["doc"]), place, facts, now=now)
            known = self._offers[key] = (replace(offer, host=""), facts.closed)
        return known


def _place(row: Mapping[str, Any]) -> Place:
    return Place(row["vo"], row["site"], row["ce"] or None, row["queue"] or None)


def _verdict(findings: Findings, *, alternatives: int, ahead: int) -> str:
    sentence = verdict(findings, alternatives=alternatives)
    if findings.left and ahead:
        return f"{sentence}, behind {ahead:,} {'job' if ahead == 1 else 'jobs'} of the same kind"
    return sentence


def _verdict_of_status(row: Mapping[str, Any]) -> str:
    status, minor = row["status"], row["minor_status"]
    if minor.startswith("On Hold"):
        return f"It does not wait for a pilot yet. {minor}"
    if status in FINAL:
        return f"It does not wait: it has ended as {status} ({minor})"
    if status in ("Received", "Checking", "Staging", "Rescheduled", "Submitting"):
        return f"It does not wait for a pilot yet: it is {status} ({minor})"
    return f"It does not wait: it is {status} at {row['site']} ({minor})"
