"""Background work on jobs: health of running ones, counters, cleaning, housekeeping of the tables."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog

from weyl.config.service import ConfigStore
from weyl.jobs.additions import JobReferences
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries import holds as hold_queries
from weyl.jobs.queries import search as search_queries
from weyl.jobs.queries import signatures as signature_queries
from weyl.jobs.queries import submission as submission_queries
from weyl.jobs.queries.hosts import forget_health
from weyl.jobs.queries.removal import select_job_types
from weyl.jobs.service import cleaning, stalled
from weyl.jobs.service.bulk import BULK, bulk_handler
from weyl.jobs.service.hosts import FORGET_AFTER
from weyl.jobs.service.limits import recount_limits
from weyl.jobs.service.storing import KEY_LIFETIME
from weyl.jobs.tables import job_heartbeats, job_history
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import drop_month_partitions, ensure_month_partitions, month_start
from weyl.kit.task import BoundTask, Handler, Task
from weyl.tasks.errors import RetryLater
from weyl.tasks.operations import in_batches

FOLD_COUNTS = Task("jobs.fold_counts", every=timedelta(seconds=10), lock="jobs.fold_counts")
SIGN_FAILURES = Task("jobs.sign_failures", every=timedelta(seconds=60), lock="jobs.sign_failures")
STALLED_JOBS = Task("jobs.stalled_jobs", every=timedelta(seconds=60), lock="jobs.stalled_jobs")
HOUSEKEEPING = Task("jobs.housekeeping", every=timedelta(hours=1), lock="jobs.housekeeping")

RECOUNT_LIMITS = Task("task_queues.recount_limits", every=timedelta(hours=1), lock="task_queues.recount_limits")

FORGET = Task("jobs.forget", every=timedelta(hours=6), lock="jobs.forget")
CLEAN = Task("jobs.clean", every=timedelta(hours=1), per_vo=True, size="medium")
# After so long a run of the cleaning lets other tasks have its place.
CLEAN_TURN_S = 20.0

SIGNED_AT_ONCE = 1_000

log = structlog.get_logger(__name__)


def tasks(
    db: Database,
    config: ConfigStore,
    *,
    history_months: int = 24,
    heartbeat_months: int = 3,
    references: Sequence[JobReferences] = (),
) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database and the configuration."""
    months_kept = {job_history.name: history_months, job_heartbeats.name: heartbeat_months}

    async def keep_house(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            for table in months_kept:
                await ensure_month_partitions(tx, table, now)
            await submission_queries.delete_submissions(tx, before=now - KEY_LIFETIME)
            await command_queries.delete_expired(tx, now)
            await forget_health(tx, before=now - FORGET_AFTER)
            await hold_queries.delete_stale(tx)

    async def forget(_: object) -> None:
        now = utcnow()
        for table, months in months_kept.items():
            # A transaction each: the lock on one table is held for a moment only.
            async with db.transaction() as tx:
                dropped = await drop_month_partitions(tx, table, month_start(now, -months))
            if dropped:
                log.info("jobs.partitions_dropped", table=table, partitions=dropped)

    async def look_for_stalled_jobs(_: object) -> None:
        for rule in stalled.RULES:
            await stalled.apply(db, rule, config=config.current().config, now=utcnow())

    async def count_limits_anew(_: object) -> None:
        async with db.transaction() as tx:
            await recount_limits(tx)

    return [
        HOUSEKEEPING.bind(keep_house),
        FORGET.bind(forget),
        *_folding(db),
        STALLED_JOBS.bind(look_for_stalled_jobs),
        RECOUNT_LIMITS.bind(count_limits_anew),
        CLEAN.bind(_cleaning(db, config, references)),
        BULK.bind_run(in_batches(db, bulk_handler(config, references))),
    ]


def _folding(db: Database) -> list[BoundTask]:
    """Return the tasks that add up what writes leave behind, and sign what failed before failures were signed."""

    async def fold_counts(_: object) -> None:
        async with db.transaction() as tx:
            await search_queries.fold_counts(tx)

    async def sign_failures(_: object) -> None:
        signed = SIGNED_AT_ONCE
        while signed == SIGNED_AT_ONCE:
            async with db.transaction() as tx:
                signed = await signature_queries.sign_jobs(tx, limit=SIGNED_AT_ONCE)

    return [
        FOLD_COUNTS.bind(fold_counts, is_needed=search_queries.has_changes),
        SIGN_FAILURES.bind(sign_failures, is_needed=signature_queries.has_unsigned),
    ]


def _cleaning(db: Database, config: ConfigStore, references: Sequence[JobReferences]) -> Handler:
    """Return what cleans the jobs of one VO, by its rules, batch after batch."""

    async def clean(payload: dict[str, Any]) -> None:
        vo, began, changed = payload["vo"], time.monotonic(), 0
        options = config.current().config.operations[vo].job_cleaning
        async with db.read() as tx:
            job_types = await select_job_types(tx, vo)
        for rule in cleaning.rules_of(options, vo, job_types):
            after: tuple[Any, int] | None = cleaning.START
            while after is not None:
                cleaned = await cleaning.clean(db, rule, after=after, references=references, now=utcnow())
                after, changed = cleaned.last, changed + cleaned.changed
                # Only after some progress: what is kept is looked at anew each time, and would be without end.
                if changed and time.monotonic() - began > CLEAN_TURN_S:
                    raise RetryLater(0)

    return clean
