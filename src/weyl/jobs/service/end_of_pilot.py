"""A pilot has ended: the jobs that it had are resolved at once, without waiting for a timer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from weyl.config.models import Config
from weyl.descriptions.overrides import Overrides
from weyl.jobs.queries import reschedule as queries
from weyl.jobs.retries import ErrorClass, next_setup
from weyl.jobs.service.moves import move
from weyl.jobs.service.reschedule import give_back
from weyl.jobs.service.retry import settle
from weyl.jobs.starts import LOST_IN_SETUP, MAY_HAVE_STARTED, NO_WORD, Start, Starts, start_of
from weyl.jobs.states import Report
from weyl.kit.db import Tx

SOURCE = "PilotEnd"


async def end_of_pilot(
    tx: Tx, stamps: Sequence[str], *, config: Config, now: datetime, reason: str, starts: Starts = NO_WORD
) -> None:
    """Let jobs that never started wait again, and fail those that did or may have, with the reason as minor status.

    A job that failed so runs again on another host, as often as its VO lets it. One whose pilots are lost while they
    set it up waits again some times, and then fails too.
    """
    rows = await queries.lock_jobs_of_pilots(tx, stamps)
    await _resolve(tx, rows, config=config, now=now, reason=reason, starts=starts)


async def take_back(
    tx: Tx, job_ids: Mapping[int, str], *, config: Config, now: datetime, reason: str, starts: Starts = NO_WORD
) -> None:
    """Do the same with some jobs of pilots, given with the pilot of each; those that others have by now stay."""
    rows = await queries.lock_jobs_of_pilots(tx, sorted(set(job_ids.values())))
    chosen = {job_id: row for job_id, row in rows.items() if job_ids.get(job_id) == row.pilot_stamp}
    await _resolve(tx, chosen, config=config, now=now, reason=reason, starts=starts)


async def with_jobs(tx: Tx, stamps: Collection[str]) -> set[str]:
    """Return those of these pilots that are thought to have jobs."""
    return await queries.select_pilots_with_jobs(tx, sorted(stamps))


async def _resolve(
    tx: Tx, rows: Mapping[int, queries.Run], *, config: Config, now: datetime, reason: str, starts: Starts
) -> None:
    found = {job_id: start_of(job_id, row.status, starts.get(row.pilot_stamp or "")) for job_id, row in rows.items()}
    next_setups = {job_id: next_setup(Overrides.read(rows[job_id].overrides)) for job_id in _of(found, Start.SETUP)}
    again = {job_id: overrides for job_id, overrides in next_setups.items() if overrides is not None}
    waiting = {job_id: rows[job_id] for job_id in (*_of(found, Start.NO), *again)}
    await give_back(tx, waiting, again, config=config, now=now)
    for job_ids, minor in (
        (_of(found, Start.YES), reason),
        (_of(found, Start.PERHAPS), MAY_HAVE_STARTED),
        (next_setups.keys() - again.keys(), LOST_IN_SETUP),
    ):
        lost = {job_id: rows[job_id] for job_id in job_ids}
        await move(tx, lost, Report(now, "Failed", minor, source=SOURCE), now=now)
        await settle(tx, dict.fromkeys(lost, ErrorClass.PILOT), config=config, now=now)


def _of(found: Mapping[int, Start], start: Start) -> list[int]:
    return [job_id for job_id, each in found.items() if each is start]
