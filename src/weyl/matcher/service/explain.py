"""Explains why a job waits, from its class, the offers of the last day and its place in the queue."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from cachetools import LRUCache, TTLCache

from weyl.descriptions.description import Workflow
from weyl.failures.models import FailureExplained
from weyl.jobs.errors import JobNotFound
from weyl.jobs.permits import Readable
from weyl.jobs.queries.holds import select_hold
from weyl.kit.db import Tx
from weyl.kit.services import Key
from weyl.matcher.evaluation import Needs, needs_of
from weyl.matcher.explanation import (
    Candidate,
    Findings,
    Pilots,
    PilotsAt,
    coming,
    examine,
    facts_of_waiting,
    origin_of_block,
    verdict,
    with_origins,
)
from weyl.matcher.gate_book import Gate
from weyl.matcher.models import Before, Explanation, LimitShown, Offer, ShareShown, Suggestion
from weyl.matcher.offers import EquipmentBook, PilotOffer, Place, PlaceFacts, facts_of, pilot_offer, time_until
from weyl.matcher.precedence import Rivals, before, rivals_of
from weyl.matcher.queries import looks, offers
from weyl.matcher.service.matcher import Matcher
from weyl.matcher.service.tallies import Tallies
from weyl.matcher.statuses import Told, shown_hold, told_of, told_of_hold
from weyl.matcher.suggestions import findings_of, for_failed, for_waiting, verdict_of
from weyl.matcher.wording import at_sites, hosts_kept_off, joined
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.gates import GateState, has_room
from weyl.task_queues.queries.classes import select_classes

OFFERS_SINCE = timedelta(hours=24)
OFFERS_MAX = 5_000
OFFERS_KEPT = 20_000
# Who looks into one job often looks into the next: for so long the pilots of a VO with many kinds of them are taken to
# be the same. Few are looked up anew.
CANDIDATES_KEPT_S = 1.0
MANY = 500
VOS_KEPT = 8
WAITING = "Waiting"
BEFORE_WAITING = {"Received", "Checking", "Staging"}
# Of so many kinds of pilots that could run a job it is looked up what else they could run: it comes first, or not.
RIVALS_OF = 64

PilotsSeen = Callable[[Tx, str, datetime], Awaitable[Mapping[Place, PilotsAt]]]
"""Returns for each place how many pilots of a VO have spoken since a time, and how many there are now."""

Origins = Callable[[Tx, Workflow], Awaitable[Mapping[str, str]]]
"""Says which requirement of a workflow each condition of its jobs comes from: a condition, or a tag, and the text for
people, such as "`ramMin` of `reco.cwl`" for `ram`; what it leaves out has no origin that anybody need know."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """An offer as it was made, where, and as it is matched there, with all its time.

    What was said is kept as text: as objects it takes five times the room.
    """

    said: str
    place: Place
    offer: PilotOffer
    facts: PlaceFacts
    # Of what is said of places.
    revision: str


class Explainer:
    """Keeps what it has read of offers, which never change: reading one takes longer than judging it."""

    def __init__(self, board: StatusBoard, matcher: Matcher, pilots_seen: PilotsSeen, origins: Origins) -> None:
        self._board = board
        self._matcher = matcher
        self._pilots_seen = pilots_seen
        self._origins = origins
        self._seen: LRUCache[int, _Seen] = LRUCache(OFFERS_KEPT)
        self._equipment = EquipmentBook()
        self._revision = ""
        self._known: TTLCache[tuple[str, str], Pilots] = TTLCache(VOS_KEPT, CANDIDATES_KEPT_S)
        self._tallies = Tallies(matcher.index)

    async def explain(self, tx: Tx, permit: Readable, job_id: int, *, now: datetime) -> Explanation:
        """Say why a job waits; for one that does not wait, say what it does instead. Raises `JobNotFound`."""
        row = await looks.select_explained(tx, permit.one(job_id))
        if row is None:
            raise JobNotFound(job_id)
        known = Explanation(
            job_id=job_id,
            status=row.status,
            verdict="It waits in no task queue: `weyl task-queues rebuild` puts it back",
            waiting_s=max(0, int((now - row.last_update_time).total_seconds())),
            suggestions=[Suggestion(text="Let an administrator rebuild the queue: weyl task-queues rebuild")],
        )
        if row.status == WAITING:
            return await self._of_waiting(tx, known, row, now=now)
        if row.status in BEFORE_WAITING and (hold := await select_hold(tx, job_id)) is not None:
            shown = shown_hold(hold)
            known = known.model_copy(update={"hold": shown, "waiting_s": int((now - shown.since).total_seconds())})
            return _with(known, told_of_hold(shown, now=now))
        return _with(known, told_of(row, job_id, config=self._board.config.current().config, now=now))

    async def _of_waiting(self, tx: Tx, known: Explanation, row: looks.ExplainedJob, *, now: datetime) -> Explanation:
        seen = await self._pilots(tx, row.vo, now)
        found = {
            class_id: examine(needs_of(document), seen.candidates)
            for class_id, document in (await select_classes(tx, row.class_ids)).items()
        }
        if not found:
            return known
        class_id = max(found, key=lambda class_id: found[class_id].progress)
        origins = {} if row.bundle is None else await self._origins(tx, Workflow(row.bundle, row.fragment))
        nearest = with_origins(found[class_id], origins)
        rivals = await self._rivals(tx, class_id, known.job_id, nearest.left)
        place = await looks.select_place(tx, class_id, known.job_id, older=rivals.older)
        limits, share = self._limits(class_id, nearest.left, now), self._share(nearest.needs)
        first = before(rivals, of_kind=place.ahead, older=place.older)
        sentence = verdict(nearest, alternatives=len(found))
        if (origin := origin_of_block(nearest, origins)) is not None:
            sentence += f"; asked for by {origin}"
        pilots = seen.there(nearest)
        if nearest.left:
            sentence = _closed_limit(limits) or ", ".join([sentence, *self._reasons(nearest, first, now)])
        elif pilots:
            sentence += f"; {coming(pilots)}"
        return known.model_copy(
            update={
                "class_id": class_id,
                "position": place.ahead + 1,
                "jobs_in_class": place.jobs,
                "ahead": sum(each.jobs for each in first),
                "before": first,
                "pilots": pilots,
                "facts": facts_of_waiting(share, place, pilots, is_blocked=not nearest.left),
                "steps": nearest.steps,
                "nearest": nearest.nearest,
                "suggestions": for_waiting(
                    nearest.nearest, limits, pilots, blocked=nearest.blocked_by is not None, seen=bool(nearest.left)
                ),
                "limits": limits,
                "share": share,
                "verdict": sentence,
            }
        )

    @staticmethod
    def with_failure(explanation: Explanation, failure: FailureExplained) -> Explanation:
        """Add to what a failed job does what is known of its failure."""
        return explanation.model_copy(
            update={
                "verdict": verdict_of(failure),
                "steps": findings_of(failure),
                "suggestions": for_failed(failure, explanation.job_id),
                "failure": failure,
            }
        )

    async def outlook(
        self, tx: Tx, classes: Sequence[Sequence[Mapping[str, Any]]], vo: str, now: datetime
    ) -> list[str | None]:
        """Say of jobs of these classes why nothing of the last day could run them; None where something could."""
        candidates = (await self._pilots(tx, vo, now)).candidates
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
        shown = [limit_shown(gate, book.state(key), cores=cores, now=now) for key, gate in gates.items()]
        return sorted(shown, key=lambda each: (each.open, each.limit))

    async def _rivals(self, tx: Tx, class_id: int, job_id: int, left: Sequence[Candidate]) -> Rivals:
        """Return what comes before a job among the jobs that pilots could run that could run it, too."""
        index, entry = self._matcher.index, self._matcher.index.get(class_id)
        if entry is None or not left:
            return Rivals()
        waiting = await self._tallies.counted(tx)
        # From here on nothing is awaited: the index stays as it is.
        mask = 0
        for one in nlargest(RIVALS_OF, left, key=lambda one: one.pilots):
            mask |= index.eligible(one.offer)
        return rivals_of(entry, job_id, mask, index=index, ledger=self._matcher.usage.ledger, waiting=waiting)

    def _reasons(self, findings: Findings, first: Sequence[Before], now: datetime) -> Iterator[str]:
        """Say what a job that could run waits for: jobs before it, and hosts that get nothing."""
        needs = findings.needs
        if (kept_off := hosts_kept_off(needs, now)) is not None:
            yield kept_off
        if needs.local_data and self._matcher.usage.ledger.scheduling(needs.vo).local_data_first:
            yield f"which comes sooner at {at_sites(needs.local_data)}, where its input data are on disk"
        if first:
            yield f"behind {joined([f'{_counted(each)} {each.what}' for each in first])}"
        sites = sorted({one.offer.place.site for one in findings.left})
        hosts = {site: count for site in sites if (count := self._matcher.hosts.count_unhealthy(site))}
        if hosts and len(hosts) == len(sites):
            told = (f"{count:,} {'host' if count == 1 else 'hosts'} of {site}" for site, count in hosts.items())
            yield f"but jobs fail on {' and '.join(told)}: such hosts get one job at a time, or none"

    def _share(self, needs: Needs) -> ShareShown:
        groups = sorted({group for vo, group in self._matcher.index.active_groups() if vo == needs.vo} | {needs.group})
        ledger = self._matcher.usage.ledger
        groups.sort(key=lambda group: ledger.of_group(needs.vo, group))
        return ShareShown(group=needs.group, rank=groups.index(needs.group) + 1, of=len(groups))

    async def _pilots(self, tx: Tx, vo: str, now: datetime) -> Pilots:
        """Return the pilots of a VO: those that asked for work in the last day, and those that exist."""
        key = vo, self._board.revision
        found = self._known.get(key)
        if found is None:
            found = await self._find_pilots(tx, vo, now)
            if len(found.candidates) >= MANY:
                self._known[key] = found
        return found

    async def _find_pilots(self, tx: Tx, vo: str, now: datetime) -> Pilots:
        since = now - OFFERS_SINCE
        questions = await offers.select_offers(tx, vo=vo, since=since, limit=OFFERS_MAX)
        there = await self._pilots_seen(tx, vo, since)
        seen = await self._read(tx, questions, now)
        asked: Counter[Place] = Counter()
        for offer_id, each in seen.items():
            asked[each.place] += questions[offer_id]
        found = []
        for offer_id, each in seen.items():
            offer, ends_at = each.offer, each.facts.ends_at
            if ends_at is not None:  # what is left gets less from minute to minute
                offer = replace(offer, wall_time_s=time_until(ends_at, offer.wall_time_s, now=now))
            spoke = there[each.place].seen if each.place in there else 0
            share = spoke * questions[offer_id] / max(1, asked[each.place])
            found.append(Candidate(offer, max(1, round(share)), each.facts.closed, ends_at))
        silent = {place: each for place, each in there.items() if place not in asked and each.expected is not None}
        return Pilots(found, there, [self._expected(place, each, now) for place, each in silent.items()])

    def _expected(self, place: Place, there: PilotsAt, now: datetime) -> Candidate:
        """Return pilots that exist at a place where none has asked of late, by what they are expected to offer."""
        assert there.expected is not None
        told = self._board.usable(place.vo, site=place.site, ce=place.ce)
        facts = facts_of(self._board.config.current().config, place, told)
        offer = pilot_offer(there.expected, place, facts, now=now)
        return Candidate(offer, there.waiting + there.running, facts.closed, facts.ends_at)

    async def _read(self, tx: Tx, offer_ids: Iterable[int], now: datetime) -> dict[int, _Seen]:
        """Return offers as they are matched by what is said of their places now; unknown ones are read."""
        if (revision := self._board.revision) != self._revision:
            self._revision = revision
            self._equipment.clear()
        found = {}
        for offer_id in offer_ids:
            each = self._seen.get(offer_id)
            if each is not None and each.revision != revision:
                each = self._seen[offer_id] = self._matched(each.said, each.place, now)
            if each is not None:
                found[offer_id] = each
        if missing := [offer_id for offer_id in offer_ids if offer_id not in found]:
            for row in await offers.select_offer_documents(tx, missing):
                each = self._matched(row.doc, _place(row), now)
                found[row.offer_id] = self._seen[row.offer_id] = each
        return found

    def _matched(self, text: str, place: Place, now: datetime) -> _Seen:
        said = Offer.model_validate_json(text)
        told = self._board.usable(place.vo, site=place.site, ce=place.ce)
        facts = facts_of(self._board.config.current().config, place, told)
        equipment = self._equipment.of(said, place, facts)
        offer = pilot_offer(said, place, replace(facts, ends_at=None), equipment, now=now)
        return _Seen(text, place, replace(offer, host=""), facts, self._revision)


def limit_shown(gate: Gate, state: GateState, *, cores: int, now: datetime) -> LimitShown:
    """Return a limit as people see it, and whether a job of so many cores may start."""
    rule = gate.rule
    return LimitShown(
        limit=rule.shown(gate.key),
        jobs=state.used_jobs,
        jobs_max=rule.max_jobs,
        cores=state.used_cores,
        cores_max=rule.max_cores,
        delay_s=rule.delay_s,
        open=has_room(rule, state, cores=cores, now=now),
    )


def _place(row: offers.Offered) -> Place:
    return Place(row.vo, row.site, row.ce or None, row.queue or None)


def _closed_limit(limits: Sequence[LimitShown]) -> str | None:
    if not limits or limits[0].open:
        return None
    return f"The limit on {limits[0].limit} is reached: {_reached(limits[0])}"


def _reached(limit: LimitShown) -> str:
    if limit.jobs_max is not None and limit.jobs >= limit.jobs_max:
        return f"{limit.jobs:,} of {limit.jobs_max:,} jobs run"
    if limit.cores_max is not None:
        return f"{limit.cores:,} of {limit.cores_max:,} cores are used"
    return f"jobs start {limit.delay_s:g} s apart"


def _with(explanation: Explanation, told: Told) -> Explanation:
    update = {"verdict": told.verdict, "steps": told.steps, "suggestions": told.suggestions}
    return explanation.model_copy(update=update)


def _counted(first: Before) -> str:
    jobs = f"{first.jobs:,} {'job' if first.jobs == 1 else 'jobs'}"
    return f"more than {jobs}" if first.or_more else jobs


EXPLAINER: Key[Explainer] = Key("the explainer of jobs")
PILOTS_SEEN: Key[PilotsSeen] = Key("the pilots that were seen")
"""Filled in by a higher room, which knows the pilots."""
ORIGINS: Key[Origins] = Key("the origins of requirements")
"""Filled in by a higher room, which knows the workflows."""
