"""What people order: kill and delete, in bulk, by the state that each job is in."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from weyl.jobs.permits import Managed
from weyl.jobs.queries import status as queries
from weyl.jobs.service.status import Outcome, StatusRequest, set_statuses
from weyl.jobs.states import Report, is_allowed
from weyl.kit.db import Tx
from weyl.task_queues import service as task_queues

KILLED = ("Killed", "Marked for termination")
DELETED = ("Deleted", "Marked for deletion")


async def kill(tx: Tx, permit: Managed, *, now: datetime, source: str) -> Outcome:
    """End live jobs; one that was killed before stays so."""

    def plan(status: str) -> Sequence[tuple[str, str]]:
        return [KILLED] if status == "Killed" or can_reach(status, "Killed") else []

    return await _order(tx, permit, plan=plan, now=now, source=source, verb="killed")


async def delete(tx: Tx, permit: Managed, *, now: datetime, source: str) -> Outcome:
    """Mark jobs as deleted, killing first those that only go that way."""

    def plan(status: str) -> Sequence[tuple[str, str]]:
        if status == "Deleted" or can_reach(status, "Deleted"):
            return [DELETED]
        return [KILLED, DELETED] if can_reach(status, "Killed") else []

    return await _order(tx, permit, plan=plan, now=now, source=source, verb="deleted")


def can_reach(status: str, target: str) -> bool:
    """Tell whether an order takes a job from one status straight to another; a stalled one counts as running."""
    return is_allowed("Running" if status == "Stalled" else status, target)


async def _order(
    tx: Tx,
    permit: Managed,
    *,
    plan: Callable[[str], Sequence[tuple[str, str]]],
    now: datetime,
    source: str,
    verb: str,
) -> Outcome:
    # the queue first, then the jobs: that is everybody's order of locks
    await task_queues.remove_jobs(tx, sorted(permit.current()))
    rows = await queries.lock_jobs(tx, permit.current())
    steps = {job_id: plan(row.status) for job_id, row in rows.items()}
    reports: dict[int, list[Report]] = {
        job_id: [
            Report(now + timedelta(microseconds=number), status, minor, source=source)
            for number, (status, minor) in enumerate(wanted)
        ]
        for job_id, wanted in steps.items()
        if wanted
    }
    reports |= {job_id: [] for job_id in permit.missing | (permit.runs.keys() - rows.keys())}
    (outcome,) = await set_statuses(tx, [StatusRequest(permit, reports, now, is_ours=True)])
    for job_id, wanted in steps.items():
        if not wanted:
            outcome.failed[job_id] = f"A job that is {rows[job_id].status} cannot be {verb}"
    return outcome
