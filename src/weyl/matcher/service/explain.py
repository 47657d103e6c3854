"""Explains why a job waits, from its class, the offers of the last day and its place in the queue."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cachetools import LRUCache

from weyl.jobs.errors import JobNotFound
from weyl.jobs.permits import Readable
from weyl.kit.db import Tx
from weyl.matcher import queries
from weyl.matcher.evaluation import Needs, needs_of
from weyl.matcher.explanation import Candidate, Findings, examine, verdict
from weyl.matcher.models import Explanation, LimitShown, Offer, ShareShown
from weyl.matcher.offers import PilotOffer, Place, facts_of, pilot_offer
from weyl.matcher.service.matcher import Matcher
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.gates import has_room
from weyl.task_queues.queries import select_classes

OFFERS_SINCE = timedelta(hours=24)
OFFERS_MAX = 5_000
WAITING = "Waiting"
FINAL = {"Done", "Completed", "Failed", "Killed", "Deleted"}

PilotsSeen = Callable[[Tx, str, datetime], Awaitable[Mapping[Place, int]]]
"""Returns how many pilots of a VO have spoken at each place since a time."""


class Explainer:
    """Keeps what it has read of offers: they never change, and reading one takes longer than judging it."""

    def __init__(self, board: StatusBoard, matcher: Matcher, pilots_seen: PilotsSeen) -> None:
        self._board = board
        self._matcher = matcher
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
        limits = self._limits(class_id, found[class_id].left, now)
        return explanation.model_copy(
            update={
                "class_id": class_id,
                "position": place["ahead"] + 1,
                "jobs_in_class": place["jobs"],
                "steps": found[class_id].steps,
                "nearest": found[class_id].nearest,
                "limits": limits,
                "share": self._share(found[class_id].needs),
                "verdict": _verdict(found[class_id], limits, alternatives=len(found), ahead=place["ahead"]),
            }
        )

    async def outlook(
        self, tx: Tx, classes: Sequence[Sequence[Mapping[str, Any]]], vo: str, now: datetime
    ) -> list[str | None]:
        """Say of jobs of these classes why nothing of the last day could run them; None where something could."""
        candidates = await self.candidates(tx, vo, now)
        told: list[str | None] = []
        for alternatives in classes:
            found = [examine(needs_of(document), candidates) for document in alternatives]
            nearest = max(found, key=lambda findings: findings.progress)
            told.append(None if nearest.left else verdict(nearest, alternatives=len(found)))
        return told

    def _limits(self, class_id: int, left: Sequence[Candidate], now: datetime) -> list[LimitShown]:
        """Return the limits that the job goes through at the places where it could run, the closed ones first."""
        entry, book = self._matcher.index.get(class_id), self._matcher.limits.book
        if entry is None or book.is_empty:
            return []
        gates = {gate.key: gate for one in left for gate in book.gates(entry, one.offer.place)}
        cores = entry.needs.cores_min
        shown = []
        for key, gate in gates.items():
            state, rule = book.state(key), gate.rule
            shown.append(
                LimitShown(
                    limit=rule.shown(key),
                    jobs=state.used_jobs,
                    jobs_max=rule.max_jobs,
                    cores=state.used_cores,
                    cores_max=rule.max_cores,
                    delay_s=rule.delay_s,
                    open=has_room(rule, state, cores=cores, now=now),
                )
            )
        return sorted(shown, key=lambda each: (each.open, each.limit))

    def _share(self, needs: Needs) -> ShareShown | None:
        groups = sorted({group for vo, group in self._matcher.index.active_groups() if vo == needs.vo} | {needs.group})
        ledger = self._matcher.usage.ledger
        groups.sort(key=lambda group: ledger.of_group(needs.vo, group))
        return ShareShown(group=needs.group, rank=groups.index(needs.group) + 1, of=len(groups))

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


def _verdict(findings: Findings, limits: Sequence[LimitShown], *, alternatives: int, ahead: int) -> str:
    sentence = verdict(findings, alternatives=alternatives)
    if findings.left and limits and not limits[0].open:
        return f"The limit on {limits[0].limit} is reached: {_reached(limits[0])}"
    if findings.left and ahead:
        return f"{sentence}, behind {ahead:,} {'job' if ahead == 1 else 'jobs'} of the same kind"
    return sentence


def _reached(limit: LimitShown) -> str:
    if limit.jobs_max is not None and limit.jobs >= limit.jobs_max:
        return f"{limit.jobs:,} of {limit.jobs_max:,} jobs run"
    if limit.cores_max is not None:
        return f"{limit.cores:,} of {limit.cores_max:,} cores are used"
    return f"jobs start {limit.delay_s:g} s apart"


def _verdict_of_status(row: Mapping[str, Any]) -> str:
    status, minor = row["status"], row["minor_status"]
    if minor.startswith("On Hold"):
        return f"It does not wait for a pilot yet. {minor}"
    if status in FINAL:
        return f"It does not wait: it has ended as {status} ({minor})"
    if status in ("Received", "Checking", "Staging", "Rescheduled", "Submitting"):
        return f"It does not wait for a pilot yet: it is {status} ({minor})"
    return f"It does not wait: it is {status} at {row['site']} ({minor})"
