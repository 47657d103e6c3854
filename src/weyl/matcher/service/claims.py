"""Claims of one process: questions that arrive together are planned together and bound in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from weyl.kit import json
from weyl.kit.coalesce import Coalescer
from weyl.kit.db import Database, Tx, is_gone, is_transient
from weyl.matcher.entries import Entry
from weyl.matcher.evaluation import Allocation
from weyl.matcher.index import Index
from weyl.matcher.planning import Attempt, Bound, Slot, plan
from weyl.matcher.queries import claims as queries
from weyl.matcher.service.answers import work_of
from weyl.matcher.service.freshness import Freshness
from weyl.matcher.service.limits import LimitKeeper, StaleLimits
from weyl.matcher.shares import Ledger
from weyl.matcher.work_forms import WorkForms
from weyl.task_queues.queries import limits as limit_queries

log = structlog.get_logger(__name__)

BATCH_MAX = 256
# One batch is planned and answered while the other one is committed. Whoever asks meanwhile makes up the next batch: to
# wait for more would leave the processor idle, and with a third lane batches are smaller, which cost nearly as much.
LANES = 2
ROUNDS_MAX = 8
TRIES_MAX = 3
DESCRIPTIONS_KEPT = 10_000


@dataclass(slots=True)
class _Touched:
    """A class that a transaction popped from: the notices heard before its first pop, and the last job popped."""

    entry: Entry
    notices: int
    last_popped: int = 0


@dataclass(slots=True)
class _Bind:
    """What is known of one batch while it is bound: its start, the edition of the limits, and what to put right."""

    began: datetime
    epoch: int
    is_limited: bool
    # Every slot that was planned, for its usage was charged.
    charged: list[Slot] = field(default_factory=list)
    touched: dict[int, _Touched] = field(default_factory=dict)


class Claims:
    """Plans and binds; the transaction decides, the index only proposes."""

    def __init__(
        self,
        db: Database,
        index: Index,
        limits: LimitKeeper,
        ledger: Ledger,
        freshness: Freshness,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._index = index
        self._limits = limits
        self._freshness = freshness
        self._clock = clock
        self._ledger = ledger
        # The description that was met last among the jobs of a class: it never changes, and a bulk has one.
        self._met: dict[int, tuple[int, WorkForms]] = {}
        self._lanes = [Coalescer[Attempt, None](self._flush, batch_max=BATCH_MAX) for _ in range(LANES)]
        self._loads = [0] * LANES

    async def submit(self, attempt: Attempt) -> None:
        """Bind jobs to the attempt, or note why there are none.

        Where there are limits one batch is under way at a time: a gate that it holds would only keep others waiting.
        """
        lane = self._loads.index(min(self._loads)) if self._limits.book.is_empty else 0
        self._loads[lane] += 1
        try:
            await self._lanes[lane].submit(attempt)
        finally:
            self._loads[lane] -= 1

    async def _flush(self, batch: Sequence[Attempt]) -> list[Exception | None]:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                await self._bind(batch)
            except Exception as error:
                for attempt in batch:
                    attempt.forget()
                is_stale = isinstance(error, StaleLimits)
                if tries_left == 0 or not (is_stale or is_transient(error)):
                    raise
                if is_stale or not self._limits.book.is_empty:
                    await self._limits.refresh()
                log.info("matcher.claim_repeated", attempts=len(batch), reason=str(error))
            else:
                break
        return [None] * len(batch)

    async def _bind(self, batch: Sequence[Attempt]) -> None:
        self._limits.book.start_batch(self._clock())
        slots = self._plan(batch)
        if not slots:
            return
        bind = _Bind(self._clock(), epoch=self._limits.book.epoch, is_limited=not self._limits.book.is_empty)
        await self._limits.prepare(slots)
        bind.charged.extend(slots)
        try:
            async with self._opened(bind) as tx:
                await self._rounds(tx, batch, bind)
        except BaseException as error:
            self._refund(bind.charged)
            # whatever was popped is back in the queue
            for touch in bind.touched.values():
                touch.entry.floor, touch.entry.waiting = 0, None
                self._index.activate(touch.entry)
            if not is_gone(error):  # without a database those who wait would only fail as well
                self._freshness.tell([touch.entry for touch in bind.touched.values()])
            raise
        self._refund(slot for slot in bind.charged if not slot.is_bound)
        for touch in bind.touched.values():
            if touch.last_popped and touch.entry.notices == touch.notices:
                touch.entry.floor = touch.last_popped
                self._index.set_head(touch.entry, touch.last_popped)

    def _opened(self, bind: _Bind) -> AbstractAsyncContextManager[Tx]:
        """Open what a batch is bound in: where no limit holds, each claim commits itself, in one round trip."""
        if bind.is_limited:
            return self._db.transaction(opening=limit_queries.HOLD_LIMITS)
        return self._db.writing()

    def _refund(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            needs = slot.entry.needs
            self._ledger.charge(needs.vo, needs.group, needs.owner, -slot.charged)

    async def _rounds(self, tx: Tx, batch: Sequence[Attempt], bind: _Bind) -> None:
        """Claim until everybody is served or nothing is left."""
        slots: Sequence[Slot] = tuple(bind.charged)
        for number in range(ROUNDS_MAX):
            if bind.is_limited:
                slots = await self._limits.admit(tx, slots, wait=number == 0)
                self._limits.book.start_round()
            if slots:
                try:
                    await self._claim(tx, slots, bind)
                except Exception as error:
                    if number == 0 or bind.is_limited:
                        raise
                    # What earlier rounds got is committed, and goes out; who has nothing yet asks again.
                    log.warning("matcher.round_failed", attempts=len(batch), round=number, reason=str(error))
                    break
                await self._limits.delay(tx, [slot for slot in slots if slot.is_bound])
            slots = self._plan([attempt for attempt in batch if not attempt.is_satisfied and not attempt.miss])
            if not slots:
                break
            bind.charged.extend(slots)

    def _plan(self, attempts: Sequence[Attempt]) -> list[Slot]:
        heard = self._freshness.heard
        slots = plan(attempts, self._index, self._ledger, self._limits.book)
        for attempt in attempts:
            if attempt.miss is not None:
                attempt.missed_at = heard
        return slots

    async def _claim(self, tx: Tx, slots: Sequence[Slot], bind: _Bind) -> None:
        touched = bind.touched
        wanted = Counter(slot.entry.class_id for slot in slots)
        for slot in slots:
            touched.setdefault(slot.entry.class_id, _Touched(slot.entry, slot.notices))
        floors = {class_id: touched[class_id].entry.floor for class_id in wanted}
        met = {class_id: self._met[class_id] for class_id in wanted if class_id in self._met}
        want, columns = _want(wanted, floors), _slot_columns(slots, met)
        for slot in slots:
            slot.entry.under_way += 1
        try:
            rows = await queries.claim(
                tx, want=want, slots=columns, now=self._clock(), began=bind.began, epoch=bind.epoch
            )
        finally:
            for slot in slots:
                slot.entry.under_way -= 1
        if not rows and (await limit_queries.select_epoch(tx)).epoch != bind.epoch:
            raise StaleLimits
        forms = dict(met.values())
        popped: Counter[int] = Counter()
        for row in rows:
            popped[row.class_id] += 1
            touched[row.class_id].last_popped = max(touched[row.class_id].last_popped, row.job_id)
            if row.slot is not None:
                _bind_to(slots[row.slot - 1], row, self._form_of(row, forms))
        notices = {slot.entry.class_id: slot.notices for slot in slots}
        for class_id, count in wanted.items():
            entry = touched[class_id].entry
            if entry.notices == notices[class_id]:
                self._note_popped(entry, popped[class_id], wanted=count, floor=floors[class_id])

    def _form_of(self, row: queries.Claimed, forms: dict[int, WorkForms]) -> WorkForms:
        """Return the form of a job's description, which was met before or came with the job."""
        class_id, number = row.class_id, row.description_id
        if number not in forms:
            forms[number] = WorkForms(row.document or {})
        if self._met.get(class_id, (0,))[0] != number:
            if class_id not in self._met and len(self._met) >= DESCRIPTIONS_KEPT:
                self._met.clear()
            self._met[class_id] = (number, forms[number])
        return forms[number]

    def _note_popped(self, entry: Entry, popped: int, *, wanted: int, floor: int) -> None:
        """Leave a class out that has no jobs any more; one that has fewer than believed is looked at from its start."""
        if entry.waiting is not None:
            entry.waiting = entry.waiting - popped if entry.waiting >= popped else None
        if popped < wanted and floor > 0:
            entry.floor = 0
        elif popped < wanted or entry.waiting == 0:
            self._index.deactivate(entry)


def _want(wanted: Counter[int], floors: dict[int, int]) -> dict[str, list[int]]:
    ordered = sorted(wanted)
    return {
        "class_ids": ordered,
        "counts": [wanted[class_id] for class_id in ordered],
        "floors": [floors[class_id] for class_id in ordered],
    }


def _slot_columns(slots: Sequence[Slot], met: Mapping[int, tuple[int, WorkForms]]) -> dict[str, list[object]]:
    ranks: Counter[int] = Counter()
    columns: dict[str, list[object]] = {name: [] for name in queries.CLAIM_SLOTS}
    for slot in slots:
        ranks[slot.entry.class_id] += 1
        columns["slot_classes"].append(slot.entry.class_id)
        columns["slot_ranks"].append(ranks[slot.entry.class_id])
        columns["stamps"].append(slot.attempt.stamp)
        columns["sites"].append(slot.attempt.offer.place.site)
        columns["ces"].append(slot.attempt.offer.place.ce)
        columns["allocations"].append(_allocated(slot.allocation, slot.attempt.offer.host))
        request = slot.attempt.request_id
        columns["requests"].append(request)
        columns["kept"].append(None if request is None else _kept(slot.entry.class_id, slot.allocation))
        columns["met"].append(met[slot.entry.class_id][0] if slot.entry.class_id in met else 0)
    return columns


def _allocated(allocation: Allocation, host: str) -> str:
    """What the jobs row keeps of a run; its host is asked for when the run has failed."""
    return json.dumps_text({**allocation.allocated(), "host": host} if host else allocation.allocated())


def _bind_to(slot: Slot, row: queries.Claimed, form: WorkForms) -> None:
    slot.is_bound = True
    job = Bound(
        job_id=row.job_id,
        entry=slot.entry,
        allocation=slot.allocation,
        owner=row.owner,
        owner_group=row.owner_group,
        vo=row.vo,
        parameters=row.parameters,
    )
    work = work_of(job, form)
    if work is not None:  # one that cannot be read ends as a job of whose start nothing is heard
        job.work = work
        slot.attempt.bound.append(job)


def _kept(class_id: int, allocation: Allocation) -> str:
    """What is kept of a job for a repetition of the question, but its id."""
    limits = {"ram_mb": allocation.limit_ram_mb, "wall_s": allocation.limit_wall_s}
    return json.dumps_text({"class_id": class_id, "allocated": allocation.allocated(), "limits": limits})
