"""Background work on jobs: checks after submission, health of running ones, counters, housekeeping of the tables."""

from datetime import timedelta
from typing import Any

import structlog

from weyl.config.service import ConfigStore
from weyl.jobs.preparation import PreparationRules
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries import holds as hold_queries
from weyl.jobs.queries import search as search_queries
from weyl.jobs.queries import staging as staging_queries
from weyl.jobs.queries import submission as submission_queries
from weyl.jobs.queries.hosts import forget_health
from weyl.jobs.service import checks, holds, staging, stalled
from weyl.jobs.service.check_queue import CHECK_JOBS
from weyl.jobs.service.hosts import FORGET_AFTER
from weyl.jobs.service.submission import KEY_LIFETIME
from weyl.jobs.tables import job_heartbeats, job_history
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, drop_month_partitions, ensure_month_partitions, month_start
from weyl.tasks.models import BoundTask, Task

FOLD_COUNTS = Task("jobs.fold_counts", every=timedelta(seconds=10), lock="jobs.fold_counts")
STALLED_JOBS = Task("jobs.stalled_jobs", every=timedelta(seconds=60), lock="jobs.stalled_jobs")
HOUSEKEEPING = Task("jobs.housekeeping", every=timedelta(hours=1), lock="jobs.housekeeping")

HELD_JOBS = Task("jobs.held_jobs", every=timedelta(seconds=10), lock="jobs.held_jobs")

FORGET = Task("jobs.forget", every=timedelta(hours=6), lock="jobs.forget")

STAGE_REQUESTS_KEPT = timedelta(days=90)

log = structlog.get_logger(__name__)


def tasks(
    db: Database,
    config: ConfigStore,
    *,
    rules: PreparationRules = checks.NO_RULES,
    history_months: int = 24,
    heartbeat_months: int = 3,
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
            await staging_queries.delete_old(tx, now - STAGE_REQUESTS_KEPT)

    async def forget(_: object) -> None:
        now = utcnow()
        for table, months in months_kept.items():
            # A transaction each: the lock on one table is held for a moment only.
            async with db.transaction() as tx:
                dropped = await drop_month_partitions(tx, table, month_start(now, -months))
            if dropped:
                log.info("jobs.partitions_dropped", table=table, partitions=dropped)

    async def fold_counts(_: object) -> None:
        async with db.transaction() as tx:
            await search_queries.fold_counts(tx)

    async def look_for_stalled_jobs(_: object) -> None:
        for rule in (stalled.fail_lost, stalled.mark_stalled, stalled.release_unstarted):
            async with db.transaction() as tx:
                await rule(tx, config=config.current().config, now=utcnow())

    return [
        *_before_waiting(db, config, rules),
        HOUSEKEEPING.bind(keep_house),
        FORGET.bind(forget),
        FOLD_COUNTS.bind(fold_counts, is_needed=search_queries.has_changes),
        STALLED_JOBS.bind(look_for_stalled_jobs),
    ]


def _before_waiting(db: Database, config: ConfigStore, rules: PreparationRules) -> list[BoundTask]:
    """Return the tasks that bring jobs from submission to waiting."""

    async def check_jobs(payload: dict[str, Any]) -> None:
        await checks.check_jobs(db, payload["ranges"], config=config.current().config, now=utcnow(), rules=rules)

    async def stage(payload: dict[str, Any]) -> None:
        known = config.current().config
        await staging.stage(db, rules.stagers, payload["request_ids"], config=known, now=utcnow())

    async def look_for_held_jobs(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await holds.wake(tx, config.current().config, now)
            await staging.hand_out_again(tx, now)

    return [
        CHECK_JOBS.bind(check_jobs),
        staging.STAGE.bind(stage),
        HELD_JOBS.bind(look_for_held_jobs, is_needed=hold_queries.has_holds),
    ]
