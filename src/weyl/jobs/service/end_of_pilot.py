"""A pilot has ended: the jobs that it had are resolved at once, without waiting for a timer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.jobs.queries import reschedule as queries
from weyl.jobs.retries import ErrorClass
from weyl.jobs.service.moves import move
from weyl.jobs.service.reschedule import give_back
from weyl.jobs.service.retry import settle
from weyl.jobs.states import Report
from weyl.kit.db import Tx

SOURCE = "PilotEnd"


async def end_of_pilot(tx: Tx, stamps: Sequence[str], *, config: Config, now: datetime, reason: str) -> None:
    """Let jobs that never started wait again, and fail those that ran, with the reason as minor status.

    A job that failed so runs again on another host, as often as its VO lets it.
    """
    await _resolve(tx, await queries.lock_jobs_of_pilots(tx, stamps), config=config, now=now, reason=reason)


async def take_back(tx: Tx, job_ids: Mapping[int, str], *, config: Config, now: datetime, reason: str) -> None:
    """Do the same with some jobs of pilots, given with the pilot of each; those that others have by now stay."""
    rows = await queries.lock_jobs_of_pilots(tx, sorted(set(job_ids.values())))
    chosen = {job_id: row for job_id, row in rows.items() if job_ids.get(job_id) == row["pilot_stamp"]}
    await _resolve(tx, chosen, config=config, now=now, reason=reason)


async def _resolve(tx: Tx, rows: Mapping[int, Any], *, config: Config, now: datetime, reason: str) -> None:
    never_started = {job_id: row for job_id, row in rows.items() if row["status"] == "Matched"}
    await give_back(tx, never_started, config=config, now=now)
    lost = {job_id: row for job_id, row in rows.items() if job_id not in never_started}
    await move(tx, lost, Report(now, "Failed", reason, source=SOURCE), now=now)
    await settle(tx, dict.fromkeys(lost, ErrorClass.PILOT), config=config, now=now)
