"""Decides how many pilots every queue gets, and enqueues their submission in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.kit.db import Tx
from weyl.kit.task import Task
from weyl.matcher.models import Offer
from weyl.pilots.need import Means, Plan, Presence, QueueKey, Target, demands, plan, targets
from weyl.pilots.permits import PilotScope
from weyl.pilots.queries import push
from weyl.pilots.queries import submission as queries
from weyl.pilots.queries.records import Fared, select_records
from weyl.pilots.throttle import Record
from weyl.resource_status.service.looks import read_claims
from weyl.task_queues.queries import classes as task_queues
from weyl.tasks.service import enqueue

SUBMIT = Task("pilots.submit", attempts_max=1)
EVERY_VO = PilotScope(vo=None)

# A submission that was not recorded within this time was cut short.
ORPHANED_AFTER = timedelta(seconds=60)
OFFERS_COUNT_FOR = timedelta(days=1)
OFFERS_A_QUEUE = 20


async def plan_due(tx: Tx, config: Config, means: Means, *, now: datetime) -> None:
    """Plan the queues of every VO whose time has come."""
    before = await queries.select_plans(tx, EVERY_VO)
    due = [vo for vo in config.registry if _is_due(vo, config, before, now=now)]
    if not due:
        return
    counts = [*await queries.select_present(tx, orphaned_before=now - ORPHANED_AFTER), *await push.select_present(tx)]
    seen = await _offers_seen(tx, due, now=now)
    claims = await read_claims(tx, now)
    find = partial(targets, config, means=means, seen=seen, claims=claims, now=now)
    places = [target for vo in due for target in find(vo)]
    waiting = await task_queues.select_waiting(tx)
    documents = await task_queues.select_classes(tx, list(waiting)) if waiting else {}
    records = await _records(tx, before, now=now)
    wanted = demands(waiting, documents, places, records)
    left_alone = {key_of(row): row.reason for row in before if row.skip_until is not None and row.skip_until > now}
    state = _State(counts, records, left_alone)
    plans = _plans(places, wanted, state, config=config, now=now)
    if plans:
        await queries.upsert_plans(tx, [_row(key, *planned, now=now) for key, planned in plans.items()])
    await queries.delete_other_plans(tx, vos=due, planned_at=now)
    orders = {key: made.need for key, (made, there) in plans.items() if made.need or there.orphans}
    await enqueue(
        tx,
        SUBMIT,
        [{**key.fields(), "count": need} for key, need in orders.items()],
        keys=[key.lock() for key in orders],
    )


@dataclass(frozen=True, slots=True)
class _State:
    """What there is: live pilots, how those before them have fared, and which queues are left alone, and why."""

    counts: Sequence[queries.Present]
    records: Mapping[QueueKey, Record]
    left_alone: Mapping[QueueKey, str | None]


async def _records(tx: Tx, before: Sequence[queries.Planned], *, now: datetime) -> dict[QueueKey, Record]:
    waited = {key_of(row): row.waiting for row in before}
    return {
        key_of(row): Record(
            ended=row.ended or 0,
            hits=row.hits or 0,
            empty_in_a_row=row.empty_in_a_row or 0,
            misses=row.misses or 0,
            miss=row.miss,
            miss_count=row.miss_count or 0,
            started=row.started,
            last_sent_at=row.last_sent_at,
            waiting_before=waited.get(key_of(row), 0),
        )
        for row in await select_records(tx, now=now)
    }


async def vos_due(tx: Tx, config: Config, *, now: datetime) -> list[str]:
    """Return the VOs whose queues are to be planned now."""
    before = await queries.select_plans(tx, EVERY_VO)
    return [vo for vo in config.registry if _is_due(vo, config, before, now=now)]


def key_of(row: queries.Planned | queries.Offered | Fared) -> QueueKey:
    """Return the queue that a row is about."""
    return QueueKey(row.vo, row.site, row.ce, row.queue)


async def _offers_seen(tx: Tx, vos: Sequence[str], *, now: datetime) -> dict[QueueKey, list[Offer]]:
    found: dict[QueueKey, list[Offer]] = {}
    for row in await queries.select_offers(tx, vos, since=now - OFFERS_COUNT_FOR, limit=OFFERS_A_QUEUE):
        found.setdefault(key_of(row), []).append(Offer.model_validate(row.doc))
    return found


def _is_due(vo: str, config: Config, before: Sequence[queries.Planned], *, now: datetime) -> bool:
    planned = max((row.planned_at for row in before if row.vo == vo), default=None)
    every = timedelta(seconds=config.operations.get(vo, Operations()).pilots.submit_every)
    return planned is None or now - planned >= every


def _plans(
    places: Sequence[Target],
    wanted: Mapping[QueueKey, float],
    state: _State,
    *,
    config: Config,
    now: datetime,
) -> dict[QueueKey, tuple[Plan, Presence]]:
    """Go through the queues in order; what is sent to one counts against the limits of its site for the next."""
    made: dict[QueueKey, tuple[Plan, Presence]] = {}
    sent: dict[str, int] = {}
    for target in places:
        key = target.key
        there = replace(_presence(key, state.counts), record=state.records.get(key, Record()))
        if key in state.left_alone:
            made[key] = (Plan(wanted[key], there.usable(target.queue.cores), 0, state.left_alone[key]), there)
            continue
        at_site = sum(row.total for row in state.counts if row.site == key.site) + sent.get(key.site, 0)
        options = config.operations.get(key.vo, Operations())
        planned = plan(target, wanted[key], there, site_total=at_site, options=options, now=now)
        sent[key.site] = sent.get(key.site, 0) + planned.need
        made[key] = (planned, there)
    return made


def _presence(key: QueueKey, counts: Sequence[queries.Present]) -> Presence:
    in_queue = [row for row in counts if (row.site, row.ce, row.queue) == key[1:]]
    own = next((row for row in in_queue if row.vo == key.vo), None)
    return Presence(
        waiting=own.waiting if own else 0,
        orphans=own.orphans if own else 0,
        queue_total=sum(row.total for row in in_queue),
        queue_waiting=sum(row.waiting for row in in_queue),
        used_cores=tuple(own.used_cores or ()) if own else (),
    )


def _row(key: QueueKey, planned: Plan, there: Presence, *, now: datetime) -> dict[str, object]:
    return {
        **key.fields(),
        "planned_at": now,
        "demand": planned.demand,
        "usable": planned.usable,
        "need": planned.need,
        "waiting": there.queue_waiting,
        "total": there.queue_total,
        "reason": planned.reason,
    }
