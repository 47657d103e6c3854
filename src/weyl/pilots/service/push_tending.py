"""Looks after jobs on nodes without a network: passes on what they report, carries their results back, ends them."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.jobs.states import ACTIVE
from weyl.kit.clock import utcnow
from weyl.kit.db import is_unavailable
from weyl.pilots import bundles
from weyl.pilots.bundles import HEARTBEAT, OUTPUT, OUTPUT_DATA, REPORTS, Journal
from weyl.pilots.compute_elements.driver import CEState, CEStatus, job_name
from weyl.pilots.errors import ComputingElementFailed
from weyl.pilots.need import QueueKey
from weyl.pilots.output_data import ARCHIVE_BYTES_MAX
from weyl.pilots.queries import push as queries
from weyl.pilots.queries.submission import settle_pilots
from weyl.pilots.service.guarded import GuardedElement
from weyl.pilots.service.planning import ORPHANED_AFTER
from weyl.pilots.service.polling import LOCAL_EVERY, UNKNOWN_FOR
from weyl.pilots.service.push import Pushing, give_up, let_go, send
from weyl.pilots.service.push_data import data_home
from weyl.pilots.service.push_doors import DOOR_FAULTS, Door, Refused, SandboxFailure, Unreachable
from weyl.pilots.service.push_luggage import OUTPUT_BYTES_MAX, bring_home
from weyl.pilots.service.submission import find_target
from weyl.remote.errors import RemoteError

log = structlog.get_logger(__name__)

REPORT_BYTES_MAX = 1 << 20
LOG_BYTES_MAX = 256 << 10
LOOKED_AT_MAX = 500
# A job in a batch system's queue is shown to be alive well within the time after which it would be taken back.
QUEUED_SHARE = 3
Change = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One look at one queue."""

    pushing: Pushing
    key: QueueKey
    config: Config
    driver: GuardedElement
    now: datetime

    @property
    def options(self) -> Operations:
        return self.config.operations.get(self.key.vo, Operations())

    def is_time(self, row: queries.PushedJob) -> bool:
        element = self.config.resources.sites[self.key.site].ces[self.key.ce]
        pause = timedelta(seconds=self.options.pilots.status_every)
        if element.driver == "local":
            pause = min(pause, LOCAL_EVERY)
        return bool(self.now - (row.checked_at or row.created_at) >= pause)

    async def door(self, row: queries.PushedJob) -> Door:
        return await self.pushing.doors.open(self.key, row.pilot_stamp)


async def tend(pushing: Pushing, key: QueueKey) -> None:
    """Look at everything that is under way in a queue; the caller holds the queue's lock."""
    yard = pushing.yard
    config = yard.config.current().config
    try:
        driver = yard.driver(config, key.site, key.ce)
        turn = _Turn(pushing, key, config, driver, utcnow())
        async with yard.db.read() as tx:
            pilots = await queries.select_pilots(tx, key.fields())
            rows = await queries.select_open(tx, key.fields())
        await _send_what_is_left(turn, [row for row in rows if row.sent_at is None])
        await _find_doubtful(turn, [row for row in rows if row.sent_at is not None and row.handle is None])
        known = [row for row in rows if row.handle is not None]
        await _cancel(turn, [row for row in known if _is_to_end(row, pilots) and row.cancelled_at is None])
        await _look(turn, [row for row in known if turn.is_time(row)][:LOOKED_AT_MAX])
        await _end_pilots(turn, pilots)
    except (ComputingElementFailed, RemoteError, OSError) as error:
        log.warning("push.not_tended", **key.fields(), error=str(error))
        await _give_up_late(pushing, key, config)


async def _give_up_late(pushing: Pushing, key: QueueKey, config: Config) -> None:
    """Let go what nobody could be asked about for a day: the element may be gone from the configuration for good."""
    async with pushing.yard.db.read() as tx:
        rows = await queries.select_open(tx, key.fields())
    late = [row for row in rows if utcnow() - (row.checked_at or row.created_at) >= UNKNOWN_FOR]
    if late:
        reasons = {row.stamp: "Its computing element could not be asked for a day" for row in late}
        for is_sent in (False, True):
            those = [row for row in late if (row.sent_at is not None) is is_sent]
            await let_go(pushing.yard, config, those, reasons, is_sent=is_sent)
        for stamp in {row.pilot_stamp for row in late} - {row.pilot_stamp for row in rows if row not in late}:
            await give_up(pushing.yard, config, stamp, "Its computing element could not be asked for a day")


async def clean(pushing: Pushing, *, limit: int = LOOKED_AT_MAX) -> None:
    """Remove what jobs that are over left on their computing elements."""
    yard = pushing.yard
    async with yard.db.read() as tx:
        rows = await queries.select_uncleaned(tx, limit=limit)
    by_element: dict[tuple[str, str], list[queries.SentJob]] = {}
    for row in rows:
        by_element.setdefault((row.site, row.ce), []).append(row)
    for element, theirs in by_element.items():
        try:
            await yard.driver(yard.config.current().config, *element).cleanup([row.handle for row in theirs])
        except (ComputingElementFailed, RemoteError, OSError) as error:
            log.warning("push.not_cleaned", site=element[0], ce=element[1], error=str(error))
            continue
        async with yard.db.transaction() as tx:
            await queries.change_jobs(tx, {row.stamp: {"cleaned_at": utcnow()} for row in theirs})


def _is_to_end(row: queries.PushedJob, pilots: Mapping[str, queries.Played]) -> bool:
    """Tell whether nobody waits for a job any more: it was killed, given to others, or its pilot was revoked."""
    pilot = pilots.get(row.pilot_stamp)
    is_ours = row.job_pilot == row.pilot_stamp and row.job_status in ACTIVE
    return not is_ours or pilot is None or pilot.revoked_at is not None


async def _send_what_is_left(turn: _Turn, rows: Sequence[queries.PushedJob]) -> None:
    """Send what a crash kept from being sent; what others have by now is closed."""
    wanted = [row for row in rows if row.job_pilot == row.pilot_stamp and row.job_status in ACTIVE]
    stale = [row for row in rows if row not in wanted]
    target = await find_target(turn.pushing.yard, turn.config, turn.key) if wanted else None
    if target is None:
        stale += wanted
    if stale:
        reasons = {row.stamp: "It was never sent" for row in stale}
        await let_go(turn.pushing.yard, turn.config, stale, reasons, is_sent=False)
    if target is not None:
        await send(turn.pushing, target, wanted, config=turn.config)


async def _find_doubtful(turn: _Turn, rows: Sequence[queries.PushedJob]) -> None:
    """Look for jobs whose submission was cut short: those that run are adopted, the others go back."""
    late = [row for row in rows if row.sent_at is not None and turn.now - row.sent_at >= ORPHANED_AFTER]
    if not late:
        return
    found = await turn.driver.find([job_name(row.stamp) for row in late])
    handles = {row.stamp: found[job_name(row.stamp)] for row in late if job_name(row.stamp) in found}
    async with turn.pushing.yard.db.transaction() as tx:
        await queries.change_jobs(tx, {stamp: {"handle": handle} for stamp, handle in handles.items()})
    lost = [row for row in late if row.stamp not in handles]
    if lost:
        reasons = {row.stamp: "Its submission was cut short" for row in lost}
        await let_go(turn.pushing.yard, turn.config, lost, reasons, is_sent=True)
    log.warning("push.orphans", **turn.key.fields(), adopted=len(handles), let_go=len(lost))


async def _cancel(turn: _Turn, rows: Sequence[queries.PushedJob]) -> None:
    if not rows:
        return
    kept = await turn.driver.cancel([row.sent_as for row in rows])
    done = {row.stamp: {"cancelled_at": turn.now} for row in rows if kept.get(row.sent_as) is None}
    async with turn.pushing.yard.db.transaction() as tx:
        await queries.change_jobs(tx, done)


async def _look(turn: _Turn, rows: Sequence[queries.PushedJob]) -> None:
    if not rows:
        return
    said = await turn.driver.status([row.sent_as for row in rows])
    seen = [row for row in rows if said[row.sent_as].state is not CEState.WAITING]
    files = await turn.driver.carry([row.sent_as for row in seen], [REPORTS, HEARTBEAT], bytes_max=REPORT_BYTES_MAX)
    for row in rows:
        try:
            change = await _tend_one(turn, row, said[row.sent_as], files.get(row.sent_as, {}))
        except Refused as error:
            change = _refused(turn, row, error)
        except RemoteError as error:  # one job whose files cannot be had keeps no other waiting
            log.warning("push.not_carried", job=row.job_id, error=str(error))
            change = {"checked_at": turn.now}
        except (Unreachable, OSError) as error:
            log.warning("push.server_away", job=row.job_id, error=str(error))
            return
        except Exception as error:
            if is_unavailable(error):
                raise
            # its files are the node's, and may hold anything: no other job of the queue has to wait for this one
            log.exception("push.not_looked_at", job=row.job_id)
            change = {"checked_at": turn.now}
        async with turn.pushing.yard.db.transaction() as tx:
            await queries.change_jobs(tx, {row.stamp: change})


def _refused(turn: _Turn, row: queries.PushedJob, error: Refused) -> Change:
    """The server does not hear this pilot about the job: its session is over, or the job is not its any more."""
    turn.pushing.doors.close(row.pilot_stamp)
    log.warning("push.refused", job=row.job_id, error=str(error))
    if row.cancelled_at is not None:
        return {"closed_at": turn.now, "reason": f"It was ended: {error}"}
    return {"checked_at": turn.now}


async def _tend_one(turn: _Turn, row: queries.PushedJob, status: CEStatus, files: Mapping[str, bytes | None]) -> Change:
    change: Change = {"checked_at": turn.now, "is_unknown": status.state is CEState.UNKNOWN}
    if status.state is CEState.WAITING:
        return change | await _tell_that_it_waits(turn, row, status)
    raw = bundles.read_journal(files.get(REPORTS))
    sent_at = row.sent_at or row.created_at
    shift_s = row.shift_s if row.shift_s is not None else bundles.shift_of(raw, sent_at=sent_at, now=turn.now)
    journal = bundles.read_journal(files.get(REPORTS), shift_s=shift_s or 0.0)
    if shift_s is not None:
        change["shift_s"] = shift_s
    if journal.is_finished:
        return change | await _finish(turn, row, journal)
    if status.state is CEState.UNKNOWN:
        if row.unknown_since is None:
            log.warning("push.unknown", **turn.key.fields(), job=row.job_id, handle=row.handle, detail=status.detail)
        is_lost = row.unknown_since is not None and turn.now - row.unknown_since >= UNKNOWN_FOR
        return change | (await _lose(turn, row, status) if is_lost else {})
    if status.state.is_final:
        return change | await _lose(turn, row, status)
    return change | await _tell_that_it_runs(turn, row, journal, files.get(HEARTBEAT))


async def _tell_that_it_waits(turn: _Turn, row: queries.PushedJob, status: CEStatus) -> Change:
    pause = timedelta(seconds=turn.options.job_health.matched_timeout / QUEUED_SHARE)
    if turn.now - (row.told_at or turn.now - pause) < pause:
        return {}
    door = await turn.door(row)
    await door.tell(row.job_id, bundles.queued(status.detail, now=turn.now), {})
    return {"told_at": turn.now}


async def _tell_that_it_runs(turn: _Turn, row: queries.PushedJob, journal: Journal, beat: bytes | None) -> Change:
    """Pass on reports that are new, and a heartbeat: what the wrapper measured last, or that the job runs."""
    door, change = await turn.door(row), Change(started_at=turn.now)
    if journal.lines > row.lines_told:
        new = journal.before_upload().after(row.told_until)
        await door.tell(row.job_id, new.states, journal.parameters)
        change |= {"lines_told": journal.lines, "told_until": new.last}
    pause = timedelta(seconds=turn.options.job_health.report_every)
    if row.started_at is not None and turn.now - (row.told_at or row.started_at) < pause:
        return change
    commands = await door.beat(row.job_id, bundles.read_sample(beat))
    if "Kill" in commands:
        await _cancel(turn, [row])
    return change | {"told_at": turn.now}


async def _finish(turn: _Turn, row: queries.PushedJob, journal: Journal) -> Change:
    """Do what a wrapper does last: store the output, then report the end; done again it changes nothing."""
    if row.job_pilot != row.pilot_stamp:
        return {"closed_at": turn.now, "reason": "Others have the job by now"}
    if row.job_status in bundles.FINAL:  # said before a crash, and not noted
        return {"closed_at": turn.now, "reason": "It ended"}
    door = await turn.door(row)
    end = await _outputs_home(turn, row, door, journal)
    if end is None:
        await door.beat(row.job_id, {})
        return {}
    await _keep_log(turn, door, row)
    await door.tell(row.job_id, end.states, end.parameters)
    return {"started_at": turn.now, "lines_told": journal.lines, "closed_at": turn.now, "reason": "It ended"}


async def _outputs_home(turn: _Turn, row: queries.PushedJob, door: Door, journal: Journal) -> Journal | None:
    """Store output data, then the output sandbox; returns what is left to be told, None if it is tried again later."""
    left, places = journal.after(row.told_until), dict[str, Mapping[str, str]]()
    if journal.is_good and bundles.wants_outputs(row.job):
        content = (await _carried(turn, row, OUTPUT_DATA, bytes_max=ARCHIVE_BYTES_MAX)).get(OUTPUT_DATA)
        home = await data_home(door, row, content, left, now=turn.now)
        if home is None:
            return None
        left, places = home.left, dict(home.places)
    files = await _carried(turn, row, OUTPUT, bytes_max=OUTPUT_BYTES_MAX)
    try:
        await bring_home(door, row, files, left, places=places)
    except SandboxFailure as error:
        states = {**left.before_upload().states, **bundles.upload_failed(left, str(error), now=turn.now)}
        return Journal(states, {**left.parameters, "OutputSandboxProblem": str(error)[:255]}, journal.lines)
    return left


async def _carried(turn: _Turn, row: queries.PushedJob, name: str, *, bytes_max: int) -> Mapping[str, bytes | None]:
    return (await turn.driver.carry([row.sent_as], [name], bytes_max=bytes_max))[row.sent_as]


async def _lose(turn: _Turn, row: queries.PushedJob, status: CEStatus) -> Change:
    """Report for a job that is over and has not done so itself."""
    if row.job_pilot == row.pilot_stamp and row.job_status in ACTIVE:
        door = await turn.door(row)
        await _keep_log(turn, door, row)
        await door.tell(row.job_id, bundles.lost(status, now=turn.now), {})
    return {"closed_at": turn.now, "reason": f"It left no reports: {status.state}, {status.detail}"}


async def _keep_log(turn: _Turn, door: Door, row: queries.PushedJob) -> None:
    """Keep what the wrapper wrote as a piece of its pilot's log; the job ends also where that cannot be had."""
    head = f"---- job {row.job_id}, {job_name(row.stamp)} ----\n".encode()
    try:
        left = await turn.driver.output(row.sent_as)
        text = b"".join(part for part in (left.log, left.stdout, left.stderr) if part)
        if text:
            await door.log(row.number, gzip.compress(head + text[-LOG_BYTES_MAX:], mtime=0))
    except (RemoteError, *DOOR_FAULTS) as error:
        log.warning("push.no_log", job=row.job_id, error=str(error))


async def _end_pilots(turn: _Turn, pilots: Mapping[str, queries.Played]) -> None:
    """End pilots of which nothing is left; one that was cut short before it wrote down its jobs lets them go."""
    yard = turn.pushing.yard
    async with yard.db.read() as tx:
        now_open = {row.pilot_stamp for row in await queries.select_open(tx, turn.key.fields())}
    for stamp, pilot in pilots.items():
        if stamp in now_open:
            continue
        turn.pushing.doors.close(stamp)
        if pilot.revoked_at is not None:
            await give_up(yard, turn.config, stamp, "It was revoked", status="Deleted")
        elif not pilot.jobs:
            reason = "It was cut short before it wrote down its jobs"
            await give_up(yard, turn.config, stamp, reason, starts={stamp: frozenset()})
        else:
            async with yard.db.transaction() as tx:
                reason = f"{pilot.jobs} {'job' if pilot.jobs == 1 else 'jobs'} pushed"
                await settle_pilots(tx, {stamp: ("Done", reason)}, now=turn.now)
