"""Sends jobs to nodes without a network: matched here, by a pilot that the worker plays, with all that they need.

No transaction is open while the server or the computing element is spoken to. First the pilot is registered and
committed, then it matches, then what it got is written down, then that is sent. A crash in between leaves a pilot
whose jobs nobody has sent, or rows without a handle: the next look at the queue lets the jobs go, sends them, or finds
them on the computing element by name.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.jobs.service.end_of_pilot import take_back
from weyl.jobs.starts import NO_WORD, Starts
from weyl.kit.bisection import bisect
from weyl.kit.clock import utcnow
from weyl.kit.ids import new_stamp
from weyl.pilots import bundles
from weyl.pilots.bundles import BUNDLE, Demand
from weyl.pilots.compute_elements.driver import Copy, Submitted
from weyl.pilots.errors import ComputingElementFailed
from weyl.pilots.launch import bundle_spec
from weyl.pilots.need import QueueKey, Target, pushed_offer
from weyl.pilots.queries import push as queries
from weyl.pilots.queries.submission import insert_pilots, set_failures, settle_pilots
from weyl.pilots.service.push_data import DataFault
from weyl.pilots.service.push_doors import DOOR_FAULTS, Doors, SandboxFailure
from weyl.pilots.service.push_luggage import Luggage, in_common, of_one
from weyl.pilots.service.registry import let_jobs_go
from weyl.pilots.service.submission import find_target, note_failure, pilot_row, room_for
from weyl.pilots.service.yard import Yard
from weyl.remote.errors import RemoteError

log = structlog.get_logger(__name__)

COUNT_MAX = 1_000
WORKFLOWS_AT_ONCE = 100
"""Jobs of workflows that are sent together: the input object of each may have a megabyte."""
DATA_AT_ONCE = 1
"""Jobs with input data: of each as much is in memory as can be carried."""
INPUT_FAULTS = (SandboxFailure, ValueError, *DOOR_FAULTS)
NOT_SENT = "Job stalled: pilot not running"


@dataclass(frozen=True, slots=True)
class Pushing:
    """What one worker pushes with."""

    yard: Yard
    doors: Doors


async def take(pushing: Pushing, key: QueueKey, count: int) -> None:
    """Match as many jobs as there is room for, and send them; the caller holds the queue's lock."""
    yard = pushing.yard
    config = yard.config.current().config
    target = await find_target(yard, config, key)
    if target is None or target.reason is not None:
        return
    try:
        if not yard.driver(config, key.site, key.ce).can_carry:
            await note_failure(yard, config, key, f"The driver of {key.ce} cannot carry files back: let pilots pull")
            return
    except ComputingElementFailed as error:
        await note_failure(yard, config, key, str(error))
        return
    stamp, room = await _register(yard, target, count)
    if stamp is None:
        return
    offer = pushed_offer(target.queue).model_dump(mode="json", exclude_none=True)
    try:
        door = await pushing.doors.open(key, stamp)
        jobs = await door.match(offer, room)
    except DOOR_FAULTS as error:
        await give_up(yard, config, stamp, f"It could not ask for jobs: {error}", starts={stamp: frozenset()})
        await note_failure(yard, config, key, str(error))
        return
    if not jobs:
        await _end(yard, stamp)
        return
    await _write_down(yard, key, stamp, jobs)
    async with yard.db.read() as tx:
        rows = [row for row in await queries.select_open(tx, key.fields()) if row.pilot_stamp == stamp]
    await send(pushing, target, rows, config=config)


async def send(pushing: Pushing, target: Target, rows: Sequence[queries.PushedJob], *, config: Config) -> None:
    """Send jobs that were written down, those alike together; what is refused goes back to the queue."""
    queue = target.queue
    alike: dict[Demand, list[queries.PushedJob]] = defaultdict(list)
    for row in rows:
        demand = bundles.demand_of(row.job, memory_mb=queue.memory_mb, wall_s=queue.wall_time)
        alike[demand].append(row)
    for demand, group in alike.items():
        size = len(group) if demand.workflow is None else WORKFLOWS_AT_ONCE
        size = DATA_AT_ONCE if demand.has_data else size
        for first in range(0, len(group), size):
            await _send_alike(pushing, target, demand, group[first : first + size], config=config)


async def give_up(
    yard: Yard, config: Config, stamp: str, reason: str, *, status: str = "Failed", starts: Starts = NO_WORD
) -> None:
    """End a pilot that the worker plays; jobs that it has go to others, if they may run again or were never sent."""
    now = utcnow()

    async def settle(stamps: Sequence[str]) -> int:
        async with yard.db.transaction() as tx:
            moved = await settle_pilots(tx, dict.fromkeys(stamps, (status, reason)), now=now)
            await let_jobs_go(tx, moved, config=config, now=now, starts=starts)
        return len(moved)

    await bisect([stamp], settle, event="pilots.not_settled")


async def let_go(
    yard: Yard, config: Config, rows: Sequence[queries.PushedJob], reasons: Mapping[str, str], *, is_sent: bool
) -> None:
    """Close rows of which the computing element runs no job, as far as is known, and let others have the jobs.

    What was sent may have started, or may yet; what was not costs its job nothing.
    """
    now, of_stamp = utcnow(), {row.stamp: row for row in rows}
    starts = NO_WORD if is_sent else {row.pilot_stamp: frozenset[int]() for row in rows}

    async def close(stamps: Sequence[str]) -> int:
        async with yard.db.transaction() as tx:
            jobs = {of_stamp[stamp].job_id: of_stamp[stamp].pilot_stamp for stamp in stamps}
            await take_back(tx, jobs, config=config, now=now, reason=NOT_SENT, starts=starts)
            await queries.change_jobs(tx, {stamp: {"closed_at": now, "reason": reasons[stamp]} for stamp in stamps})
        return len(stamps)

    await bisect(list(of_stamp), close, event="push.not_let_go")


async def _register(yard: Yard, target: Target, count: int) -> tuple[str | None, int]:
    now = utcnow()
    async with yard.db.transaction() as tx:
        room = min(count, COUNT_MAX, await room_for(tx, target))
        if room <= 0:
            return None, 0
        stamp = new_stamp()
        await insert_pilots(tx, [{**pilot_row(target, stamp, now=now), "origin": queries.PUSHED}], [])
    return stamp, room


async def _end(yard: Yard, stamp: str) -> None:
    async with yard.db.transaction() as tx:
        await settle_pilots(tx, {stamp: ("Done", "No job that fits was left")}, now=utcnow())


async def _write_down(yard: Yard, key: QueueKey, stamp: str, jobs: Sequence[Mapping[str, Any]]) -> None:
    now = utcnow()
    rows = [
        {
            "stamp": bundles.job_stamp(stamp, number),
            "pilot_stamp": stamp,
            "number": number,
            **key.fields(),
            "job_id": job["job_id"],
            "job": dict(job),
            "created_at": now,
        }
        for number, job in enumerate(jobs)
    ]
    async with yard.db.transaction() as tx:
        await queries.insert_jobs(tx, rows)


async def _send_alike(
    pushing: Pushing, target: Target, demand: Demand, rows: Sequence[queries.PushedJob], *, config: Config
) -> None:
    yard, key = pushing.yard, target.key
    options = config.operations.get(key.vo, Operations())
    rows, luggage = await _luggage(pushing, target, demand, rows)
    made = await _copies(pushing, key, demand, rows, luggage)
    if not made:
        return
    rows, copies = [row for row, _ in made], [copy for _, copy in made]
    spec = bundle_spec(target, demand, archive=yard.archive_bytes(), inputs=luggage.files, options=options)
    async with yard.db.transaction() as tx:
        await queries.mark_sent(tx, [row.stamp for row in rows], now=utcnow())
    try:
        sent = await yard.driver(config, key.site, key.ce).submit(spec, copies)
    except (RemoteError, ComputingElementFailed, OSError) as error:
        sent = Submitted(failures=dict.fromkeys(range(len(rows)), str(error)))
    await _record(pushing, key, rows, sent, config=config)


async def _luggage(
    pushing: Pushing, target: Target, demand: Demand, rows: Sequence[queries.PushedJob]
) -> tuple[Sequence[queries.PushedJob], Luggage]:
    """Fetch what jobs have in common once; a job that may not have it fails, and the next one asks."""
    left = list(rows)
    while left:
        row = left[0]
        door = await pushing.doors.open(target.key, row.pilot_stamp)
        try:
            return left, await in_common(pushing.yard, door, target, demand, row.job_id)
        except INPUT_FAULTS as error:
            left.pop(0)
            await _fail(pushing, target.key, row, f"Its input could not be had: {error}")
    return left, Luggage()


async def _copies(
    pushing: Pushing, key: QueueKey, demand: Demand, rows: Sequence[queries.PushedJob], luggage: Luggage
) -> list[tuple[queries.PushedJob, Copy]]:
    """Return jobs with what each of them is sent; one whose own input cannot be had fails."""
    made = []
    for row in rows:
        door = await pushing.doors.open(key, row.pilot_stamp)
        try:
            own = await of_one(door, demand, row)
        except DataFault as error:
            await _fail(pushing, key, row, str(error), of_data=True)
            continue
        except INPUT_FAULTS as error:
            await _fail(pushing, key, row, f"Its input could not be had: {error}")
            continue
        options = {**door.options, **luggage.options}
        document = bundles.bundle_of(
            row.job, stamp=row.pilot_stamp, inputs=luggage.inputs, options=options, data=own.data
        )
        made.append((row, Copy(stamp=row.stamp, secrets={BUNDLE: document, **own.files})))
    return made


async def _fail(pushing: Pushing, key: QueueKey, row: queries.PushedJob, reason: str, *, of_data: bool = False) -> None:
    """Report that a job cannot begin; whether it may try again elsewhere is decided by the class of the error."""
    log.warning("push.no_input", job=row.job_id, error=reason)
    door, now = await pushing.doors.open(key, row.pilot_stamp), utcnow()
    with suppress(*DOOR_FAULTS):
        await door.tell(row.job_id, bundles.input_failed(reason, now=now, of_data=of_data), {})
        async with pushing.yard.db.transaction() as tx:
            await queries.change_jobs(tx, {row.stamp: {"closed_at": now, "reason": reason}})


async def _record(
    pushing: Pushing, key: QueueKey, rows: Sequence[queries.PushedJob], sent: Submitted, *, config: Config
) -> None:
    """Write down handles; what was refused goes back, what is in doubt is looked for by name later."""
    yard = pushing.yard
    failed = [index for index in range(len(rows)) if index not in sent.handles and index not in sent.doubtful]
    async with yard.db.transaction() as tx:
        await queries.change_jobs(tx, {rows[index].stamp: {"handle": handle} for index, handle in sent.handles.items()})
        if sent.handles:
            await set_failures(tx, key.fields(), failures=0, skip_until=None, reason=None)
    reasons = {
        rows[index].stamp: sent.failures.get(index, "The computing element said nothing of it") for index in failed
    }
    if failed:
        await let_go(yard, config, [rows[index] for index in failed], reasons, is_sent=False)
    log.info("push.sent", **key.fields(), sent=len(sent.handles), failed=len(failed), doubtful=len(sent.doubtful))
    if not sent.handles:
        told = [*reasons.values(), *sent.doubtful.values(), "nothing was sent"]
        await note_failure(yard, config, key, told[0])
