"""Asks computing elements what became of pilots, writes it down, and clears up after them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.jobs.starts import NO_WORD, Starts
from weyl.kit.bisection import bisect
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.pilots.compute_elements.driver import CEState, CEStatus
from weyl.pilots.errors import BadPilotRequest, ComputingElementFailed, PilotNotFound
from weyl.pilots.models import PilotOutput
from weyl.pilots.permits import PilotScope
from weyl.pilots.queries import submission as queries
from weyl.pilots.queries.registry import select_pilot
from weyl.pilots.service.registry import let_jobs_go
from weyl.pilots.service.starts import starts_left
from weyl.pilots.service.yard import Yard
from weyl.remote.errors import RemoteError

log = structlog.get_logger(__name__)

LOCAL_EVERY = timedelta(seconds=5)
# A pilot that speaks to us needs no asking; its computing element is only there to tell of its sudden death.
SPEAKING_EVERY = timedelta(minutes=10)
# What was revoked is to end there too: it is cancelled until it is gone.
REVOKED_EVERY = timedelta(seconds=10)
UNKNOWN_FOR = timedelta(hours=24)
OUTPUT_KEPT = timedelta(days=1)
BATCH = 5_000
OUTPUT_BYTES_MAX = 1024 * 1024


async def elements_due(yard: Yard) -> list[tuple[str, str]]:
    """Return the sites and computing elements that are to be asked about pilots now."""
    config, now = yard.config.current().config, utcnow()
    async with yard.db.read() as tx:
        rows = await queries.select_unchecked(tx, before=now - LOCAL_EVERY, limit=BATCH)
    return sorted({(row.grid_site, row.destination_site) for row in rows if _is_time(row, config, now=now)})


async def bury_overdue(yard: Yard) -> None:
    """Give up pilots that no computing element answers for and whose time is over."""
    config = yard.config.current().config
    async with yard.db.read() as tx:
        overdue = await queries.select_overdue(tx, now=utcnow(), limit=BATCH)
    if overdue:
        late = dict.fromkeys(overdue, ("Failed", "Its time is over and it never said that it ended"))
        await _settle(yard, config, late, checked=[], unknown=[])


async def ask(yard: Yard, element: tuple[str, str]) -> None:
    """Ask one computing element about every pilot whose time has come; one that hangs keeps nobody else waiting."""
    config, now = yard.config.current().config, utcnow()
    async with yard.db.read() as tx:
        rows = await queries.select_unchecked(tx, before=now - LOCAL_EVERY, limit=BATCH, element=element)
    rows = [row for row in rows if _is_time(row, config, now=now)]
    if rows:
        await _poll_element(yard, config, element, rows)


async def is_due(tx: Tx, *, now: datetime) -> bool:
    """Tell whether there is any pilot to ask about."""
    unchecked = await queries.select_unchecked(tx, before=now - LOCAL_EVERY, limit=1)
    return bool(unchecked or await queries.select_overdue(tx, now=now, limit=1))


def _is_time(row: queries.Unchecked, config: Config, *, now: datetime) -> bool:
    return bool(now - (row.checked_at or row.submission_time) >= _pause(row, config))


def _pause(row: queries.Unchecked, config: Config) -> timedelta:
    if row.grid_type == "local":
        return LOCAL_EVERY
    if row.revoked_at is not None:
        return REVOKED_EVERY
    every = timedelta(seconds=config.operations.get(row.vo, Operations()).pilots.status_every)
    return max(every, SPEAKING_EVERY) if row.spoke_at is not None else every


async def _poll_element(
    yard: Yard, config: Config, element: tuple[str, str], rows: Sequence[queries.Unchecked]
) -> None:
    by_handle = {row.handle: row for row in rows}
    revoked = [row.handle for row in rows if row.revoked_at is not None]
    try:
        driver = yard.driver(config, *element)
        kept = await driver.cancel(revoked) if revoked else {}
        said = await driver.status(by_handle)
    except (ComputingElementFailed, RemoteError, OSError) as error:
        log.warning("pilots.poll_failed", site=element[0], ce=element[1], error=str(error))
        kept, said = {}, {}
    for handle, reason in kept.items():
        if reason is not None:
            log.warning("pilots.not_cancelled", pilot=by_handle[handle].pilot_stamp, error=reason)
    now = utcnow()
    outcomes = {
        by_handle[handle].pilot_stamp: judge(by_handle[handle], status, now=now) for handle, status in said.items()
    }
    unknown = [by_handle[handle].pilot_stamp for handle, status in said.items() if status.state is CEState.UNKNOWN]
    settled = {stamp: outcome for stamp, outcome in outcomes.items() if outcome is not None}
    # A batch system that has lost a node calls its pilots failed while they may still run there: only those whose end
    # was seen on their own node start nothing any more.
    ended = {by_handle[handle].pilot_stamp: handle for handle, status in said.items() if status.exit_code is not None}
    starts = await starts_left(yard, driver, ended) if ended else NO_WORD
    checked = [row.pilot_stamp for row in rows]
    await _settle(yard, config, settled, checked=checked, unknown=unknown, starts=starts)


def judge(pilot: queries.Unchecked, status: CEStatus, *, now: datetime) -> tuple[str, str] | None:
    """Return the status and reason that a computing element's word means for a pilot; None if it changes nothing.

    A pilot that never spoke to us and is gone was Aborted, whatever its element calls that; one that spoke and went
    without a word of its end has Failed unless its element saw it end well.
    """
    spoke = pilot.spoke_at is not None
    detail = status.detail or "Unknown"
    match status.state:
        case CEState.UNKNOWN:
            is_lost = pilot.unknown_since is not None and now - pilot.unknown_since >= UNKNOWN_FOR
            return ("Aborted", "Its computing element does not know it any more") if is_lost else None
        case CEState.DELETED:
            return "Deleted", detail
        case CEState.DONE:
            return ("Done", detail) if spoke else ("Aborted", f"It ended before it spoke: {detail}")
        case CEState.FAILED | CEState.ABORTED:
            return ("Failed", detail) if spoke else ("Aborted", f"It ended before it spoke: {detail}")
    # Running starts when the pilot speaks, not when its element says that a process exists.
    return None if spoke or pilot.status == "Waiting" else ("Waiting", "Unknown")


async def _settle(
    yard: Yard,
    config: Config,
    outcomes: Mapping[str, tuple[str, str]],
    *,
    checked: Sequence[str],
    unknown: Sequence[str],
    starts: Starts = NO_WORD,
) -> None:
    now = utcnow()

    async def settle(stamps: Sequence[str]) -> int:
        theirs = {stamp: outcomes[stamp] for stamp in stamps if stamp in outcomes}
        async with yard.db.transaction() as tx:
            if checked:
                await queries.mark_checked(tx, stamps, unknown=unknown, now=now)
            moved = await queries.settle_pilots(tx, theirs, now=now)
            ended = [stamp for stamp in moved if theirs[stamp][0] != "Waiting"]
            if ended:
                await queries.revoke_secrets_of(tx, ended, now=now)
                await let_jobs_go(tx, ended, config=config, now=now, starts=starts)
        return len(moved)

    settled = await bisect(sorted({*checked, *outcomes}), settle, event="pilots.not_settled")
    if checked and settled.failed:  # they are asked about in their turn again, not at once
        async with yard.db.transaction() as tx:
            await queries.mark_checked(tx, list(settled.failed), unknown=unknown, now=now)


async def clean(yard: Yard) -> None:
    """Remove what pilots that ended a day ago left on their computing elements."""
    config = yard.config.current().config
    async with yard.db.read() as tx:
        rows = await queries.select_uncleaned(tx, before=utcnow() - OUTPUT_KEPT, limit=BATCH)
    by_element: dict[tuple[str, str], list[queries.Uncleaned]] = defaultdict(list)
    for row in rows:
        by_element[row.grid_site, row.destination_site].append(row)
    for (site, ce), pilots in by_element.items():
        try:
            await yard.driver(config, site, ce).cleanup([row.handle for row in pilots])
        except ComputingElementFailed as error:  # it was taken out of the configuration: nobody can clean there
            log.warning("pilots.not_cleaned", site=site, ce=ce, error=str(error))
        except (RemoteError, OSError) as error:
            log.warning("pilots.clean_failed", site=site, ce=ce, error=str(error))
            continue
        async with yard.db.transaction() as tx:
            await queries.mark_cleaned(tx, [row.pilot_stamp for row in pilots], now=utcnow())


async def output(yard: Yard, scope: PilotScope, stamp: str) -> PilotOutput:
    """Fetch what a pilot wrote from its computing element."""
    async with yard.db.read() as tx:
        pilot = await select_pilot(tx, scope, stamp)
    if pilot is None:
        raise PilotNotFound(f"There is no pilot {stamp}")
    if pilot.handle is None:
        raise BadPilotRequest(f"Pilot {stamp} was not sent from here: nothing can be fetched of it")
    driver = yard.driver(yard.config.current().config, pilot.grid_site, pilot.destination_site)
    try:
        left = await driver.output(pilot.handle)
    except (RemoteError, OSError) as error:
        raise ComputingElementFailed(f"The output of {stamp} cannot be fetched: {error}") from error
    return PilotOutput(
        stdout=_text(left.stdout), stderr=_text(left.stderr), log=_text(left.log), exit_code=left.exit_code
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content[-OUTPUT_BYTES_MAX:].decode(errors="replace")
