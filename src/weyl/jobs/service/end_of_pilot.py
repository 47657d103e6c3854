"""A pilot has ended: the jobs that it had are resolved at once, without waiting for a timer."""

from collections.abc import Sequence
from datetime import datetime

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
    rows = await queries.lock_jobs_of_pilots(tx, stamps)
    never_started = {job_id: row for job_id, row in rows.items() if row["status"] == "Matched"}
    await give_back(tx, never_started, config=config, now=now)
    lost = {job_id: row for job_id, row in rows.items() if job_id not in never_started}
    await move(tx, lost, Report(now, "Failed", reason, source=SOURCE), now=now)
    await settle(tx, dict.fromkeys(lost, ErrorClass.PILOT), config=config, now=now)
