"""Another run for a job: on request, counted, or because its pilot was lost, at no cost in reschedulings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from weyl.config.models import Config
from weyl.descriptions import parametric
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Description, Owner
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.overrides import NONE, Overrides
from weyl.descriptions.requirements import ATTRIBUTES, Limits, priority, resolve, site_column
from weyl.descriptions.texts import text_of_job
from weyl.jobs.attempts import MINOR_EXHAUSTED, Again, Exhausted, decide
from weyl.jobs.holds import Hold, HoldReason
from weyl.jobs.permits import Managed
from weyl.jobs.queries import reschedule as queries
from weyl.jobs.queries import status as status_queries
from weyl.jobs.service import holds
from weyl.jobs.service.check_queue import check_soon
from weyl.jobs.service.moves import end_runs, move, records
from weyl.jobs.service.status import NOT_FOUND, RUN_IS_OVER, return_to_queue, wire
from weyl.jobs.states import ACTIVE, Change, Report
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.task_queues import service as task_queues
from weyl.task_queues.errors import InvalidRequirements

MINOR_RESCHEDULED = "Job Rescheduled"
SOURCE = "JobManager"


@dataclass(slots=True)
class Rescheduled:
    """What came of asking for another run, job by job."""

    success: dict[int, dict[str, Any]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the outcome as the contract writes it."""
        return {
            "success": {str(job_id): values for job_id, values in self.success.items()},
            "failed": {str(job_id): {"detail": reason} for job_id, reason in self.failed.items()},
        }


@dataclass(frozen=True, slots=True)
class Start:
    """How a job begins anew, and what of its description is changed by retries."""

    site: str
    user_priority: int
    counter: int
    jdl: str
    overrides: Overrides = NONE
    error_class: str | None = None
    reason: str = "Unknown"
    after_s: int = 0


async def reschedule(tx: Tx, permit: Managed, *, config: Config, now: datetime, reset: bool = False) -> Rescheduled:
    """Give jobs another run; those that have had too many fail."""
    outcome = Rescheduled(failed=dict.fromkeys(permit.missing, NOT_FOUND) | dict.fromkeys(permit.past, RUN_IS_OVER))
    # the queue first, then the jobs: that is everybody's order of locks
    await task_queues.remove_jobs(tx, sorted(permit.current()))
    rows = await queries.lock_jobs(tx, permit.current())
    outcome.failed |= dict.fromkeys(permit.current().keys() - rows.keys(), NOT_FOUND)
    exhausted, counters = _decided(rows, outcome, config=config, reset=reset)
    starts = await starts_of(tx, {job_id: rows[job_id] for job_id in counters}, counters, config, outcome)
    if reset:
        starts = {job_id: replace(start, overrides=NONE) for job_id, start in starts.items()}
    untouched = {
        job_id: row.class_ids
        for job_id, row in rows.items()
        if row.status == "Waiting" and job_id not in starts and job_id not in exhausted
    }
    await return_to_queue(tx, untouched)
    await end_runs(tx, _on_node(rows, exhausted.keys() | starts.keys()), now=now)
    await move(tx, exhausted, Report(now, "Failed", MINOR_EXHAUSTED, source=SOURCE), now=now)
    await begin_anew(tx, rows, starts, now=now)
    for job_id, start in starts.items():
        outcome.success[job_id] = _success(start, now)
    return outcome


async def give_back(
    tx: Tx, rows: Mapping[int, queries.Run], overrides: Mapping[int, Overrides], *, config: Config, now: datetime
) -> None:
    """Let locked jobs that a pilot had taken, but not started, wait again; that costs them no rescheduling.

    Those with overrides begin with these.
    """
    counters = {job_id: row.reschedule_counter for job_id, row in rows.items()}
    outcome = Rescheduled()
    starts = await starts_of(tx, rows, counters, config, outcome)
    starts = {
        job_id: replace(start, overrides=overrides.get(job_id, start.overrides)) for job_id, start in starts.items()
    }
    await begin_anew(tx, rows, starts, now=now)
    refused = {job_id: rows[job_id] for job_id in outcome.failed}
    await move(tx, refused, Report(now, "Failed", "Illegal Job JDL", source=SOURCE), now=now)


def _decided(
    rows: Mapping[int, queries.Run], outcome: Rescheduled, *, config: Config, reset: bool
) -> tuple[dict[int, queries.Run], dict[int, int]]:
    """The jobs that fail now, and the new counters of those that run again; reasons go into the outcome."""
    exhausted: dict[int, queries.Run] = {}
    counters: dict[int, int] = {}
    for job_id, row in rows.items():
        operations = config.operations[row.vo]
        verdict = decide(
            row.status,
            row.reschedule_counter,
            is_verified=row.verified_flag,
            reschedulings_max=operations.services.job_scheduling.max_rescheduling,
            reset=reset,
        )
        if isinstance(verdict, Again):
            counters[job_id] = verdict.counter
            continue
        outcome.failed[job_id] = verdict.reason
        if isinstance(verdict, Exhausted):
            exhausted[job_id] = row
    return exhausted, counters


async def starts_of(
    tx: Tx, rows: Mapping[int, queries.Run], counters: Mapping[int, int], config: Config, outcome: Rescheduled
) -> dict[int, Start]:
    """Read the descriptions again, equal ones once; one that the VO does not take any more goes into the outcome."""
    if not rows:
        return {}
    descriptions = await queries.select_descriptions(tx, (row.description_id for row in rows.values()))
    read: dict[tuple[Any, ...], tuple[str, int] | str] = {}
    starts: dict[int, Start] = {}
    for job_id, row in rows.items():
        description = descriptions[row.description_id]
        names = parametric.varying(description.document, ATTRIBUTES)
        deciding = parametric.fill_some(description.document, names, row.parameters)
        owner = Owner(row.vo, row.owner_group, row.owner)
        key = (row.description_id, owner, repr(deciding))
        if key not in read:
            read[key] = _read(parametric.common(description.document) | deciding, owner, config)
        found = read[key]
        if isinstance(found, str):
            outcome.failed[job_id] = found
            continue
        jdl = text_of_job(description.jdl, description.document, row.parameters, job_id)
        overrides = Overrides.read(row.overrides)
        starts[job_id] = Start(*found, counter=counters[job_id], jdl=jdl, overrides=overrides)
    return starts


def _read(document: dict[str, Any], owner: Owner, config: Config) -> tuple[str, int] | str:
    limits = Limits.of(config.operations[owner.vo])
    try:
        description = Description.read(document)
        requirement_classes(resolve(description, limits), owner, limits)
        return site_column(description.sites), priority(description.priority, limits)
    except (BadAttribute, InvalidRequirements) as error:
        return f"Illegal Job JDL: {error.detail}"


def _on_node(rows: Mapping[int, queries.Run], job_ids: set[int]) -> dict[int, queries.Run]:
    return {job_id: rows[job_id] for job_id in job_ids if rows[job_id].status in ACTIVE}


async def begin_anew(tx: Tx, rows: Mapping[int, queries.Run], starts: Mapping[int, Start], *, now: datetime) -> None:
    """Archive the last run of locked jobs, and let their checks begin again."""
    if not starts:
        return
    job_ids = list(starts)
    states = await status_queries.select_states(tx, {job_id: rows[job_id] for job_id in job_ids})
    await queries.archive_attempts(tx, {job_id: start.error_class for job_id, start in starts.items()}, now)
    await queries.reset_jobs(tx, {job_id: _reset(start) for job_id, start in starts.items()}, now)
    entries = [entry for job_id in job_ids for entry in records({job_id: states[job_id]}, _steps(starts[job_id], now))]
    await status_queries.insert_history(tx, entries)
    await check_soon(tx, [job_id for job_id, start in starts.items() if not start.after_s])
    later = [(job_id, rows[job_id].vo, _wait(start)) for job_id, start in starts.items() if start.after_s]
    await holds.hold_anew(tx, job_ids, later, now=now)


def _wait(start: Start) -> Hold:
    return Hold(HoldReason.RETRY, start.reason, after_s=start.after_s)


def _steps(start: Start, now: datetime) -> list[Report]:
    return [
        Report(now, "Rescheduled", MINOR_RESCHEDULED, start.reason, SOURCE),
        Report(now + timedelta(microseconds=1), "Received", MINOR_RESCHEDULED, "Unknown", SOURCE),
    ]


def _reset(start: Start) -> tuple[str, int, int, str | None]:
    overrides = start.overrides.document()
    return start.site, start.user_priority, start.counter, json.dumps_text(overrides) if overrides else None


def _success(start: Start, now: datetime) -> dict[str, Any]:
    change = Change("Received", MINOR_RESCHEDULED, "Unknown", last_update_time=now)
    return {
        "InputData": start.jdl,
        "Site": start.site,
        "UserPriority": start.user_priority,
        "RescheduleTime": now,
        "RescheduleCounter": start.counter,
        **wire(change),
    }
