"""Status reports: whole batches go through the machine of states, into rows and history, in a handful of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from weyl.jobs.permits import Forcer, Managed
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries import status as queries
from weyl.jobs.service.moves import move
from weyl.jobs.states import (
    ENDED_BY_HAND,
    FINAL,
    MOVES,
    OUTPUTS_LOST,
    Change,
    JobState,
    Report,
    as_outputs_are,
    follow,
    merge,
    not_before_match,
    not_late,
    not_without_outputs,
)
from weyl.kit.db import Tx
from weyl.sandboxes import service as sandboxes
from weyl.storage.queries.of_jobs import select_jobs_with_uploads
from weyl.task_queues import service as task_queues

NOT_FOUND = "Not found"
RUN_IS_OVER = "This run of the job is over"
UPLOADS_SOURCE = "Uploads"
NOT_WITHOUT_OUTPUTS = "It cannot be Done: its output data are not registered. Reschedule it, or set it to Failed"


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What one caller reports of the jobs that it may change."""

    permit: Managed
    reports: Mapping[int, Sequence[Report]]
    now: datetime
    forcer: Forcer | None = None
    # Made by this server: never late, whatever a wrapper with a fast clock has written into the history.
    is_ours: bool = False
    # Made by the pilot or the payload itself: never from before its match.
    is_of_run: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of one caller's reports: a change a job, or a reason."""

    success: dict[int, Change]
    failed: dict[int, str]
    # The runs that these reports have ended, good or bad: the class of the error, where one was named.
    ended: dict[int, str | None] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the outcome as the contract writes it."""
        return {
            "success": {str(job_id): wire(change) for job_id, change in self.success.items()},
            "failed": {str(job_id): {"detail": reason} for job_id, reason in self.failed.items()},
        }


def wire(change: Change) -> dict[str, Any]:
    """Return the columns of a change under their wire names; what did not change is null."""
    return {
        "Status": change.status,
        "MinorStatus": change.minor_status,
        "ApplicationStatus": change.application_status,
        "HeartBeatTime": change.heart_beat_time,
        "StartExecTime": change.start_exec_time,
        "EndExecTime": change.end_exec_time,
        "LastUpdateTime": change.last_update_time,
    }


async def set_statuses(tx: Tx, requests: Sequence[StatusRequest]) -> list[Outcome]:
    """Apply the reports of several callers, one after the other, in one pass over rows and history."""
    wanted = {job_id for request in requests for job_id in request.permit.current().keys() & request.reports.keys()}
    left_queue = await _leave_queue(tx, requests, wanted)
    rows = await queries.lock_jobs(tx, wanted)
    states = await queries.select_states(tx, rows) if rows else {}
    before = {job_id: state.status for job_id, state in states.items()}
    batch = _Batch(states, {job_id: row.pilot_stamp for job_id, row in rows.items()})
    outcomes = [batch.apply(request) for request in requests]
    await _write(tx, batch)
    await _follow_up(tx, batch, rows, now=max(request.now for request in requests))
    stayed = [job_id for job_id in left_queue if before.get(job_id) == batch.status(job_id) == "Waiting"]
    await return_to_queue(tx, {job_id: rows[job_id].class_ids for job_id in stayed})
    return outcomes


class _Batch:
    """The jobs of a batch while reports are applied to them in order."""

    def __init__(self, states: dict[int, JobState], runs: Mapping[int, str | None]) -> None:
        self.states = states
        self.runs = runs
        self.changes: dict[int, list[Change]] = {}

    def status(self, job_id: int) -> str | None:
        return self.states[job_id].status if job_id in self.states else None

    def apply(self, request: StatusRequest) -> Outcome:
        outcome = Outcome({}, {})
        for job_id, reports in request.reports.items():
            state = self.states.get(job_id)
            if job_id in request.permit.past:
                outcome.failed[job_id] = RUN_IS_OVER
            elif state is None or job_id not in request.permit.runs:
                outcome.failed[job_id] = NOT_FOUND
            elif request.is_of_run and self.runs[job_id] != request.permit.runs[job_id]:
                # Admitted while the run lasted; it was given up while this report waited for its turn.
                outcome.failed[job_id] = RUN_IS_OVER
            elif request.forcer is not None and not_without_outputs(state, reports) is not reports:
                outcome.failed[job_id] = NOT_WITHOUT_OUTPUTS
            else:
                made = _as_meant(state, reports, request)
                change = merge(state, made, request.now, force=request.forcer is not None)
                self.states[job_id] = follow(state, change)
                self.changes.setdefault(job_id, []).append(change)
                outcome.success[job_id] = change
                if change.status in FINAL and state.status not in FINAL:
                    outcome.ended[job_id] = _error_class(made)
        return outcome


def _as_meant(state: JobState, reports: Sequence[Report], request: StatusRequest) -> Sequence[Report]:
    reports = as_outputs_are(state, reports)
    if request.is_ours:
        return not_late(state, reports)
    return not_before_match(state, reports) if request.is_of_run else reports


def _error_class(reports: Sequence[Report]) -> str | None:
    newest = max((report for report in reports if report.status == "Failed"), key=lambda each: each.at, default=None)
    return None if newest is None else newest.error_class


async def _write(tx: Tx, batch: _Batch) -> None:
    touched = {
        job_id: combined for job_id, changes in batch.changes.items() if (combined := _combined(changes)).touches_row()
    }
    if touched:
        await queries.update_jobs(tx, touched)
    entries = [
        (job_id, record) for job_id, changes in batch.changes.items() for change in changes for record in change.history
    ]
    if entries:
        await queries.insert_history(tx, entries)


def _combined(changes: Sequence[Change]) -> Change:
    """The last word on each column; the first start and the first end stand, because `merge` sets them once."""
    if len(changes) == 1:
        return changes[0]
    combined = Change()
    for change in changes:
        for name in _COLUMNS:
            value = getattr(change, name)
            if value is not None:
                setattr(combined, name, value)
    return combined


_COLUMNS = (
    "status",
    "minor_status",
    "application_status",
    "last_update_time",
    "start_exec_time",
    "end_exec_time",
    "heart_beat_time",
)


async def _leave_queue(tx: Tx, requests: Sequence[StatusRequest], wanted: set[int]) -> list[int]:
    """Take jobs that may stop waiting out of the queue before their rows are locked: that is everybody's order."""
    leaving = {
        job_id
        for request in requests
        for job_id, reports in request.reports.items()
        if job_id in wanted and any(_may_leave(report.status, force=request.forcer is not None) for report in reports)
    }
    await task_queues.remove_jobs(tx, sorted(leaving))
    return sorted(leaving)


def _may_leave(status: str | None, *, force: bool) -> bool:
    return status is not None and status != "Waiting" and (force or status in MOVES["Waiting"])


async def return_to_queue(tx: Tx, class_ids: Mapping[int, Sequence[int]]) -> None:
    """Put jobs back whose report turned out to be too late; nobody else has seen them leave."""
    pairs = [(class_id, job_id) for job_id, classes in class_ids.items() for class_id in classes]
    await task_queues.return_jobs(tx, pairs)


async def _follow_up(tx: Tx, batch: _Batch, rows: Mapping[int, queries.Locked], *, now: datetime) -> None:
    ended = {
        job_id: rows[job_id].pilot_stamp
        for job_id, changes in batch.changes.items()
        if any(change.status in ENDED_BY_HAND & change.accepted for change in changes)
    }
    if ended:
        await command_queries.insert_kills(tx, ended, now)
    await _fail_in_vain(tx, batch, rows, now=now)
    deleted = [job_id for job_id in ended if batch.status(job_id) == "Deleted"]
    if deleted:
        await sandboxes.unassign(tx, deleted)


async def _fail_in_vain(tx: Tx, batch: _Batch, rows: Mapping[int, queries.Locked], *, now: datetime) -> None:
    """Fail jobs that wait for output data of which nobody is at work: their upload has ended before they said so."""
    waiting = [
        job_id
        for job_id, state in batch.states.items()
        if state.status == "Completed" and state.wants_outputs and batch.changes.get(job_id)
    ]
    if not waiting:
        return
    under_way = await select_jobs_with_uploads(tx, waiting)
    lost = {job_id: rows[job_id] for job_id in waiting if job_id not in under_way}
    await move(tx, lost, Report(now, "Failed", *OUTPUTS_LOST, source=UPLOADS_SOURCE), now=now)
