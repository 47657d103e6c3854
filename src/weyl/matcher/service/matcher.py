"""The matcher of one server process: takes a pilot's question and answers with jobs that are its own from then on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from weyl.auth.keys import KeySet
from weyl.auth.tokens import JobIdentity
from weyl.kit.background import end_task
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.services import Key
from weyl.matcher.additions import CommandsOf, no_commands
from weyl.matcher.errors import JobNotBound, RequestRepeated
from weyl.matcher.index import Index
from weyl.matcher.models import JobToken, MatchAnswer, MatchRequest, Offer
from weyl.matcher.offers import EquipmentBook, PilotOffer, Place, PlaceFacts, facts_of, pilot_offer
from weyl.matcher.planning import Attempt
from weyl.matcher.policy import MatchingPilot
from weyl.matcher.queries.claims import select_bound
from weyl.matcher.service import answers
from weyl.matcher.service.claims import Claims
from weyl.matcher.service.freshness import SWEEP_EVERY_S, Freshness
from weyl.matcher.service.hosts import Hosts
from weyl.matcher.service.limits import LimitKeeper
from weyl.matcher.service.offer_book import OfferBook
from weyl.matcher.service.parking import Parking
from weyl.matcher.service.pilot_book import PilotBook
from weyl.matcher.service.replay import Replay
from weyl.matcher.service.usage import Usage
from weyl.resource_status.service.board import StatusBoard
from weyl.task_queues.health import Standing

log = structlog.get_logger(__name__)

REQUEST_KEPT_FOR = timedelta(minutes=10)
BUSY_TRIES_MAX = 3
NEW_OFFERS_AFTER_S = 1.0
"""Those that come until then are written together; counts of known ones wait for a sweep."""

Action = Literal["continue", "drain", "stop"]
IsGone = Callable[[], Awaitable[bool]]


async def _is_here() -> bool:
    return False


@dataclass(slots=True)
class _Question:
    """A question under way; a repetition of it takes over the line to the pilot, and waits for the same answer."""

    line: IsGone
    answer: "asyncio.Future[MatchAnswer] | None" = None

    async def is_gone(self) -> bool:
        """Say whether whoever asked last has hung up."""
        return await self.line()

    async def repeated(self, line: IsGone) -> MatchAnswer:
        """Wait for the answer in the place of whoever asked before."""
        self.line = line
        if self.answer is None:
            self.answer = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self.answer)

    def end(self, answer: MatchAnswer) -> None:
        """Give the answer to those who have repeated the question, if anybody has."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """Tell them that there is none."""
        if self.answer is None or self.answer.done():
            return
        if isinstance(error, Exception):
            self.answer.set_exception(error)
            self.answer.exception()  # nobody may be left to hear of it
        else:
            self.answer.cancel()


class Matcher:
    """Holds the index of this process and everything that keeps it near the truth."""

    def __init__(
        self,
        db: Database,
        board: StatusBoard,
        *,
        tokens: answers.JobTokens,
        advice: Callable[[str], Action] | None = None,
        clock: Callable[[], datetime] = utcnow,
        sweep_every_s: float = SWEEP_EVERY_S,
    ) -> None:
        self.observe: Callable[[float], None] = lambda _: None
        """Gets the seconds that each try to match took; who wires the process may replace it."""
        self.commands_of: CommandsOf = no_commands
        """Tells which commands run around payloads; who wires the process may replace it."""
        self.index = Index()
        self.parking = Parking()
        self.freshness = Freshness(
            db, self.index, on_news=self.parking.wake, on_sweep=self._on_sweep, sweep_every_s=sweep_every_s
        )
        self._db = db
        self._board = board
        self._tokens = tokens
        self._advice = advice
        self._clock = clock
        self.limits = LimitKeeper(db, board.config, on_open=self._on_open)
        self.hosts = Hosts(db, clock=clock)
        self.usage = Usage(db, board.config, self.index, clock=clock)
        self._claims = Claims(db, self.index, self.limits, self.usage.ledger, self.freshness, clock=clock)
        self._replay = Replay(db, tokens)
        self._offers = OfferBook(on_new=self._write_soon)
        self._writing: asyncio.Task[None] | None = None
        self._pilots = PilotBook()
        self._openings = 0
        self._facts: dict[Place, PlaceFacts] = {}
        self._equipment = EquipmentBook()
        self._revision = ""
        self._questions: dict[tuple[str, str], _Question] = {}
        self._is_closing = False
        self.followers = (
            self.limits.follower,
            self.freshness.queue,
            self.freshness.classes,
            self.usage.follower,
            self.hosts.follower,
        )
        board.on_change(self._on_open)

    def send_away(self) -> None:
        """Answer every parked pilot now and park no more: the server is about to stop."""
        self._is_closing = True
        self.parking.wake_all()

    async def close(self) -> None:
        """Send parked pilots away and write down what is remembered."""
        self.send_away()
        await self.usage.write()
        if self._writing is not None:
            await end_task(self._writing)
        await self._write_offers()

    async def match(self, pilot: MatchingPilot, request: MatchRequest, *, is_gone: IsGone = _is_here) -> MatchAnswer:
        """Answer one question; the same question again, by its id, gets the same jobs."""
        if request.request_id is None:
            return await self._answer(pilot, request, is_gone)
        key = (pilot.stamp, request.request_id)
        if (question := self._questions.get(key)) is not None:
            return await question.repeated(is_gone)
        question = self._questions[key] = _Question(is_gone)
        try:
            answer = await self._answer(pilot, request, question.is_gone)
        except BaseException as error:
            question.fail(error)
            raise
        finally:
            del self._questions[key]
        question.end(answer)
        return answer

    async def job_token(self, pilot: MatchingPilot, job_id: int) -> JobToken:
        """Sign a token for a job that is bound to this pilot."""
        async with self._db.read() as tx:
            rows = await select_bound(tx, stamp=pilot.stamp, job_ids=[job_id])
        if not rows or rows[0].vo != pilot.place.vo:
            raise JobNotBound(f"Job {job_id} is not bound to this pilot")
        job = rows[0]
        identity = JobIdentity(
            job_id=job_id, pilot_stamp=pilot.stamp, vo=job.vo, group=job.owner_group, owner=job.owner
        )
        return self._tokens.token(identity, self._clock())

    async def _answer(self, pilot: MatchingPilot, request: MatchRequest, is_gone: IsGone) -> MatchAnswer:
        if (action := self._action(pilot.stamp)) != "continue":
            return answers.dismissed(action)
        standing = self.hosts.standing(pilot.place.site, request.offer.host)
        if standing is Standing.CLOSED:
            self._pilots.note(pilot.stamp, request.offer, answers.HOST_HEALTH, self._clock())
            return answers.resting(is_single_slot=request.count == 1 and request.offer.cpu.num_cores == 1)
        attempt = Attempt(
            stamp=pilot.stamp,
            offer=self._offer_of(request.offer, pilot.place),
            wanted=request.count if standing is Standing.OPEN else 1,
            fill=request.fill,
            request_id=request.request_id,
            openings=self._openings,
        )
        if standing is Standing.SINGLE and not await self.hosts.may_start(pilot.place.site, request.offer.host):
            attempt.miss = answers.HOST_HEALTH
            self._pilots.note(pilot.stamp, request.offer, attempt.miss, self._clock())
            return answers.missed(attempt, has_waited=False)
        try:
            has_waited = await self._try_until(attempt, request, is_gone, place=pilot.place)
        except RequestRepeated:
            again = await self._replay.answer(pilot.stamp, request.request_id or "", self._clock(), REQUEST_KEPT_FOR)
            return answers.equipped(again, self.commands_of)
        self._offers.note(request.offer, pilot.place, is_hit=bool(attempt.bound))
        miss = None if attempt.bound else attempt.miss or "busy"
        self._pilots.note(pilot.stamp, request.offer, miss, self._clock())
        if attempt.bound:
            answer = answers.hit(pilot.stamp, attempt.bound, self._tokens, self._clock())
            return answers.equipped(answer, self.commands_of)
        if (action := self._action(pilot.stamp)) != "continue":
            return answers.dismissed(action)
        return answers.missed(attempt, has_waited=has_waited)

    def _action(self, stamp: str) -> Action:
        """Return what is to become of a pilot; that may change while it waits."""
        return "continue" if self._advice is None else self._advice(stamp)

    async def _try_until(self, attempt: Attempt, request: MatchRequest, is_gone: IsGone, *, place: Place) -> bool:
        """Try, and park between tries as long as the pilot waits; says whether the time ran out.

        A pilot that hung up while it was parked gets no more tries: its job would lie there until somebody notices.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.wait_s
        await self._try(attempt)
        for _ in range(BUSY_TRIES_MAX):
            if attempt.bound or attempt.miss is not None:
                break
            await self._try(attempt)
        if not attempt.bound and await self._replay.knows(attempt):
            raise RequestRepeated("A question with this request_id was answered already")
        if not attempt.bound and request.wait_s > 0:
            self._offers.meet(request.offer, place)
        while not attempt.bound and not self._is_closing:
            left_s = deadline - loop.time()
            if left_s <= 0:
                break
            is_up_to_date = attempt.missed_at == self.freshness.heard and attempt.openings == self._openings
            if is_up_to_date and not await self.parking.wait(attempt.offer, left_s):
                break
            if self._is_closing or self._action(attempt.stamp) != "continue" or await is_gone():
                break
            if self.hosts.standing(place.site, request.offer.host) is Standing.CLOSED:
                break
            attempt.forget()
            # What is said of its place may have changed.
            attempt.offer, attempt.openings = self._offer_of(request.offer, place), self._openings
            await self._try(attempt)
        return request.wait_s > 0 and loop.time() >= deadline

    async def _try(self, attempt: Attempt) -> None:
        began = time.perf_counter()
        await self._claims.submit(attempt)
        self.observe(time.perf_counter() - began)

    def _on_open(self) -> None:
        """A limit has room again, or a site was opened: whoever waits may ask once more."""
        self.freshness.heard += 1
        self._openings += 1
        self.parking.wake_all()

    def _offer_of(self, offer: Offer, place: Place) -> PilotOffer:
        facts = self._facts_of(place)
        return pilot_offer(offer, place, facts, self._equipment.of(offer, place, facts), now=self._clock())

    def _facts_of(self, place: Place) -> PlaceFacts:
        if (revision := self._board.revision) != self._revision:
            self._facts.clear()
            self._equipment.clear()
            self._revision = revision
        known = self._facts.get(place)
        if known is None:
            told = self._board.usable(place.vo, site=place.site, ce=place.ce)
            known = self._facts[place] = facts_of(self._board.config.current().config, place, told)
        return known

    def _write_soon(self) -> None:
        """Write down, in a moment, an offer that is new: whoever asks what there is to run a job shall not miss it."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_new_offers(), name="weyl-new-offers")

    async def _write_new_offers(self) -> None:
        await asyncio.sleep(NEW_OFFERS_AFTER_S)
        try:
            await self._offers.write(self._db, self._clock(), only_new=True)
        except Exception:  # the next sweep tries again
            log.exception("matcher.offers_not_written")

    async def _on_sweep(self) -> None:
        await self.usage.see_ages()
        await self._write_offers()

    async def _write_offers(self) -> None:
        await self._offers.write(self._db, self._clock())
        await self.write_questions()

    async def write_questions(self) -> None:
        """Write down what each pilot asked and got last."""
        await self._pilots.write(self._db)


@asynccontextmanager
async def open_matcher(
    db: Database,
    board: StatusBoard,
    keys: KeySet,
    *,
    token_lifetime_s: int,
    advice: Callable[[str], Action] | None = None,
) -> AsyncIterator[Matcher]:
    """Hold a matcher for the length of the block; its followers are started by those who hold others, too."""
    tokens = answers.JobTokens(keys, lifetime_s=token_lifetime_s)
    matcher = Matcher(db, board, tokens=tokens, advice=advice)
    try:
        yield matcher
    finally:
        with suppress(OSError):  # a database that is gone keeps no process from stopping
            await matcher.close()


MATCHER: Key[Matcher] = Key("the matcher")
ADVICE: Key[Callable[[str], Action]] = Key("the advice to pilots")
"""What a pilot with a stamp is told to do; filled in by a higher room, which knows the pilots."""
