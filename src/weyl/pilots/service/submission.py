"""Sends pilots to one queue at a time, under its lock; a crash between sending and recording leaves no orphan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.kit.bisection import bisect
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.ids import new_stamp, uuid7
from weyl.pilots.compute_elements.driver import Copy, Submitted, job_name
from weyl.pilots.errors import ComputingElementFailed
from weyl.pilots.launch import SECRET_FILE, pilot_spec
from weyl.pilots.need import Means, QueueKey, Target, targets
from weyl.pilots.queries import submission as queries
from weyl.pilots.service.planning import ORPHANED_AFTER
from weyl.pilots.service.registry import let_jobs_go
from weyl.pilots.service.yard import Yard
from weyl.remote.errors import RemoteError
from weyl.resource_status.service.looks import read_claims

log = structlog.get_logger(__name__)

SKIPPED_CYCLES_MAX = 10
FAULT_MAX = 500


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A pilot that is registered and not yet sent."""

    stamp: str
    secret: str


async def submit(yard: Yard, key: QueueKey, count: int) -> None:
    """Send pilots to a queue; the caller holds the queue's lock.

    No transaction is open while the computing element is spoken to: first the pilots are registered and committed,
    then they are sent, then it is recorded what became of them. A crash in between leaves rows without a handle,
    which the next submission looks up on the computing element by name.
    """
    config = yard.config.current().config
    target = await find_target(yard, config, key)
    if target is None:
        return
    if target.reason is not None:  # closed since it was planned
        count = 0
    try:
        driver = yard.driver(config, key.site, key.ce)
        await adopt_orphans(yard, config, key)
        fresh = await _register(yard, target, count)
        if not fresh:
            return
        spec = pilot_spec(
            target, url=yard.url, archive=yard.archive_bytes(), options=config.operations.get(key.vo, Operations())
        )
        copies = [Copy(stamp=pilot.stamp, secrets={SECRET_FILE: pilot.secret.encode()}) for pilot in fresh]
        try:
            sent = await driver.submit(spec, copies)
        except RemoteError as error:
            sent = Submitted(failures=dict.fromkeys(range(len(copies)), str(error)))
    except (ComputingElementFailed, RemoteError, OSError) as error:
        log.warning("pilots.submission_failed", **key.fields(), error=str(error))
        await note_failure(yard, config, key, str(error))
        return
    await _record(yard, key, fresh, sent, config=config)


async def find_target(yard: Yard, config: Config, key: QueueKey) -> Target | None:
    """Return a queue as it is now; None if it is not configured any more."""
    now = utcnow()
    async with yard.db.read() as tx:
        claims = await read_claims(tx, now)
    places = targets(config, key.vo, means=Means(yard.drivers), seen={}, claims=claims, now=now)
    return next((place for place in places if place.key == key), None)


async def adopt_orphans(yard: Yard, config: Config, key: QueueKey) -> None:
    """Look for pilots whose submission was cut short: those that run are adopted, the others written off."""
    async with yard.db.read() as tx:
        orphans = await queries.select_orphans(tx, key.fields(), before=utcnow() - ORPHANED_AFTER)
    if not orphans:
        return
    names = {job_name(stamp): stamp for stamp in orphans}
    found = await yard.driver(config, key.site, key.ce).find(names)
    handles = {names[name]: handle for name, handle in found.items() if name in names}
    lost = {
        stamp: ("Failed" if has_spoken else "Aborted", "Its submission was cut short")
        for stamp, has_spoken in orphans.items()
        if stamp not in handles
    }
    now = utcnow()

    async def write_off(stamps: Sequence[str]) -> int:
        async with yard.db.transaction() as tx:
            moved = await queries.settle_pilots(tx, {stamp: lost[stamp] for stamp in stamps}, now=now)
            await queries.revoke_secrets_of(tx, stamps, now=now)
            await let_jobs_go(tx, moved, config=config, now=now)
        return len(stamps)

    async with yard.db.transaction() as tx:
        await queries.record_handles(tx, handles, now=now)
    written_off = await bisect(list(lost), write_off, event="pilots.not_settled")
    log.warning("pilots.orphans", **key.fields(), adopted=len(handles), written_off=written_off.done)


async def _register(yard: Yard, target: Target, count: int) -> list[_Fresh]:
    """Register pilots and their secrets, as many as the queue still has room for, and commit."""
    now = utcnow()
    async with yard.db.transaction() as tx:
        room = min(count, await room_for(tx, target))
        if room <= 0:
            return []
        minted = [(new_stamp(), *yard.ring.mint()) for _ in range(room)]
        await queries.insert_pilots(
            tx,
            [pilot_row(target, stamp, now=now) for stamp, _, _ in minted],
            [secret_row(target.key, stamp, mac, now=now, lifetime=yard.secret_lifetime) for stamp, _, mac in minted],
        )
    return [_Fresh(stamp, secret) for stamp, secret, _ in minted]


async def room_for(tx: Tx, target: Target) -> int:
    """Return how many more the queue and its site may have, as it is until `tx` ends.

    What was planned may be late: plans of several VOs do not know of each other's orders.
    """
    await queries.hold_site(tx, target.key.site)
    there = await queries.count_present(tx, target.key.fields())
    left = (
        target.queue.max_waiting - there.waiting,
        target.queue.max_total - there.total,
        target.site.max_pilots - there.at_site,
    )
    return int(min(left))


def pilot_row(target: Target, stamp: str, *, now: datetime) -> dict[str, object]:
    """Return the row of a pilot that is about to be sent."""
    return {
        "pilot_stamp": stamp,
        "pilot_job_reference": stamp,
        "vo": target.key.vo,
        "grid_site": target.key.site,
        "destination_site": target.key.ce,
        "queue": target.key.queue,
        "grid_type": target.ce.driver,
        "bench_mark": target.queue.power_db12 or 0.0,
        "submission_time": now,
        "last_update_time": now,
        "origin": "submitted",
    }


def secret_row(key: QueueKey, stamp: str, mac: bytes, *, now: datetime, lifetime: timedelta) -> dict[str, object]:
    """Return the row of the secret with which such a pilot begins."""
    return {
        "secret_id": uuid7(),
        "mac": mac,
        **key.fields(),
        "pilot_stamp": stamp,
        "not_after": now + lifetime,
        "created_at": now,
        "created_by": "pilot submission",
    }


async def _record(yard: Yard, key: QueueKey, fresh: Sequence[_Fresh], sent: Submitted, *, config: Config) -> None:
    handles = {fresh[index].stamp: handle for index, handle in sent.handles.items()}
    failed = {
        pilot.stamp: ("Aborted", sent.failures.get(index, "The computing element said nothing of it"))
        for index, pilot in enumerate(fresh)
        if index not in sent.handles and index not in sent.doubtful
    }
    now = utcnow()
    async with yard.db.transaction() as tx:
        await queries.record_handles(tx, handles, now=now)
        await queries.settle_pilots(tx, failed, now=now)
        await queries.revoke_secrets_of(tx, list(failed), now=now)
        if handles:
            await queries.set_failures(tx, key.fields(), failures=0, skip_until=None, reason=None)
    log.info("pilots.sent", **key.fields(), sent=len(handles), failed=len(failed), doubtful=len(sent.doubtful))
    if failed:
        log.warning("pilots.refused", **key.fields(), reason=next(iter(failed.values()))[1])
    if sent.doubtful:  # they stay registered, and the next submission looks for them by name
        log.warning("pilots.doubtful", **key.fields(), reason=next(iter(sent.doubtful.values())))
    if not handles:
        reasons = [*(reason for _, reason in failed.values()), *sent.doubtful.values()]
        await note_failure(yard, config, key, next(iter(reasons), "nothing was sent"))


async def note_failure(yard: Yard, config: Config, key: QueueKey, fault: str) -> None:
    """Leave a failing queue alone for 1, 2, 4 ... cycles, ten at most, and keep the reason for people to see."""
    every = config.operations.get(key.vo, Operations()).pilots.submit_every
    async with yard.db.transaction() as tx:
        failures = 1 + await queries.select_failures(tx, key.fields())
        cycles = min(2 ** (failures - 1), SKIPPED_CYCLES_MAX)
        skip_until = utcnow() + timedelta(seconds=cycles * every)
        reason = f"Submission failed: {fault[:FAULT_MAX]}; the queue is left alone until {skip_until:%H:%M:%S} UTC"
        await queries.set_failures(tx, key.fields(), failures=failures, skip_until=skip_until, reason=reason)
