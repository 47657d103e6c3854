"""Moves that the server itself makes: whole batches of locked jobs to one status, with their history."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries import status as queries
from weyl.jobs.queries.reschedule import Run
from weyl.jobs.states import FINAL, Change, HistoryRecord, Report, not_late
from weyl.kit.db import Tx
from weyl.task_queues import service as task_queues


async def move(tx: Tx, rows: Mapping[int, queries.Locked | Run], step: Report, *, now: datetime) -> None:
    """Move locked jobs to a status; what the step leaves open stays, and nothing makes it late."""
    if not rows:
        return
    states = await queries.select_states(tx, rows)
    changes = {
        job_id: Change(
            status=step.status,
            minor_status=step.minor_status,
            application_status=step.application_status,
            last_update_time=now,
            end_exec_time=now if step.status in FINAL and state.end_exec_time is None else None,
        )
        for job_id, state in states.items()
    }
    await queries.update_jobs(tx, changes)
    await queries.insert_history(tx, records(states, [step]))


def records(states: Mapping[int, Any], steps: Sequence[Report]) -> list[tuple[int, HistoryRecord]]:
    """Return the lines of the history for steps that all of these jobs take."""
    return [
        (job_id, HistoryRecord(made.at, made.status, made.minor_status, made.application_status, made.source))
        for job_id, state in states.items()
        for made in not_late(state, steps)
    ]


async def end_runs(tx: Tx, rows: Mapping[int, queries.Locked | Run], *, now: datetime) -> None:
    """Ask whatever still runs of these locked jobs to end."""
    if rows:
        await command_queries.insert_kills(tx, {job_id: row.pilot_stamp for job_id, row in rows.items()}, now)


async def fail(tx: Tx, job_ids: Sequence[int], *, minor_status: str, source: str, now: datetime) -> None:
    """Fail those of these jobs that have not ended, wherever they stand."""
    await task_queues.remove_jobs(tx, job_ids)
    rows = await queries.lock_jobs(tx, job_ids)
    alive = {job_id: row for job_id, row in rows.items() if row.status not in FINAL | {"Deleted"}}
    await move(tx, alive, Report(now, "Failed", minor_status, source=source), now=now)
    await end_runs(tx, alive, now=now)
