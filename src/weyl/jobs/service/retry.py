"""Runs that have failed are tried again by the class of their error, in the transaction that ends them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from weyl.config.models import Config
from weyl.descriptions.overrides import Overrides
from weyl.jobs.queries import reschedule as queries
from weyl.jobs.retries import ErrorClass, FailedRun, NextRun, error_class_of, next_run
from weyl.jobs.service.hosts import note_ends
from weyl.jobs.service.reschedule import Rescheduled, begin_anew, starts_of
from weyl.jobs.service.status import Outcome, StatusRequest, set_statuses
from weyl.kit.db import Tx


async def report_statuses(tx: Tx, requests: Sequence[StatusRequest], *, config: Config) -> list[Outcome]:
    """Apply status reports, and give those jobs another run whose failure another run can mend."""
    outcomes = await set_statuses(tx, requests)
    ended = {job_id: error_class_of(word) for outcome in outcomes for job_id, word in outcome.ended.items()}
    await settle(tx, ended, config=config, now=max(request.now for request in requests))
    return outcomes


async def settle(tx: Tx, ended: Mapping[int, ErrorClass | None], *, config: Config, now: datetime) -> set[int]:
    """Note what runs that `tx` has just ended tell of their hosts, and decide about those that failed.

    Returns the jobs that run again.
    """
    if not ended:
        return set()
    every = await queries.lock_jobs(tx, ended)
    await note_ends(tx, every, ended, now)
    failed = {job_id: error_class for job_id, error_class in ended.items() if error_class is not None}
    rows = {job_id: row for job_id, row in every.items() if job_id in failed}
    if not rows:
        return set()
    exit_codes: dict[int, int] = {}
    programs = [job_id for job_id in rows if failed[job_id] is ErrorClass.PAYLOAD]
    if any(_lists_exit_codes(rows[job_id], config) for job_id in programs):
        exit_codes = await queries.select_exit_codes(tx, programs)
    runs: dict[int, NextRun] = {}
    for job_id, row in rows.items():
        operations = config.operations.get(row.vo)
        if operations is None or row.status != "Failed" or not row.verified_flag:
            continue
        run = _failed_run(row, failed[job_id], exit_codes.get(job_id))
        reschedulings_max = operations.services.job_scheduling.max_rescheduling
        found = next_run(run, operations.matching.retry, reschedulings_max=reschedulings_max, now=now)
        if found is not None:
            runs[job_id] = found
    await _run_again(tx, {job_id: rows[job_id] for job_id in runs}, runs, failed=failed, config=config, now=now)
    return set(runs)


async def _run_again(
    tx: Tx,
    rows: Mapping[int, queries.Run],
    runs: Mapping[int, NextRun],
    *,
    failed: Mapping[int, ErrorClass],
    config: Config,
    now: datetime,
) -> None:
    # a job whose description is not taken any more just stays failed
    starts = await starts_of(tx, rows, {job_id: run.counter for job_id, run in runs.items()}, config, Rescheduled())
    starts = {
        job_id: replace(
            start,
            overrides=runs[job_id].overrides,
            error_class=failed[job_id].value,
            reason=runs[job_id].reason,
            after_s=runs[job_id].after_s,
        )
        for job_id, start in starts.items()
    }
    await begin_anew(tx, rows, starts, now=now)


def _lists_exit_codes(row: queries.Run, config: Config) -> bool:
    operations = config.operations.get(row.vo)
    if operations is None:
        return False
    retries = operations.matching.retry
    own = retries.per_job_type.get(row.job_type)
    return bool(retries.payload.exit_codes or (own is not None and own.payload is not None and own.payload.exit_codes))


def _failed_run(row: queries.Run, error_class: ErrorClass, exit_code: int | None) -> FailedRun:
    allocated = row.allocated or {}
    return FailedRun(
        error_class,
        job_type=row.job_type,
        counter=row.reschedule_counter,
        overrides=Overrides.read(row.overrides),
        site=row.site,
        host=allocated.get("host"),
        memory_mb=allocated.get("ram_mb") or 0,
        exit_code=exit_code,
    )
