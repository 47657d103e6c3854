"""Jobs without a sign of life: marked, given up, or given to another pilot, by rules that each VO may tune."""

from collections.abc import Callable
from datetime import datetime

from weyl.config.models import Config
from weyl.config.operations import JobHealth, SiteJobHealth
from weyl.jobs.queries.reschedule import lock_silent_jobs
from weyl.jobs.retries import ErrorClass
from weyl.jobs.service.moves import end_runs, move
from weyl.jobs.service.reschedule import give_back
from weyl.jobs.service.retry import settle
from weyl.jobs.states import Report
from weyl.kit.db import Tx

SOURCE = "StalledJobs"
MINOR_GIVEN_UP = "Watchdog identified this job as stalled"
BATCH = 10_000
REPORTS_MISSED_MIN = 3

Limits = dict[tuple[str, str | None], float]


async def mark_stalled(tx: Tx, *, config: Config, now: datetime) -> int:
    """Mark running jobs that have been silent; returns how many."""
    limits = _limits(
        config,
        lambda health: max(health.stalled_after, REPORTS_MISSED_MIN * health.report_every),
        lambda site: site.stalled_after,
    )
    rows = await lock_silent_jobs(tx, "stalled", limits=limits, now=now, batch=BATCH)
    await move(tx, rows, Report(now, "Stalled", source=SOURCE), now=now)
    return len(rows)


async def fail_lost(tx: Tx, *, config: Config, now: datetime) -> int:
    """Give up stalled jobs that stay silent, also where the pilot seems to live; returns how many.

    They are lost to their host, and so run again on another, free of charge.
    """
    limits = _limits(config, lambda health: health.fail_after, lambda site: site.fail_after)
    rows = await lock_silent_jobs(tx, "lost", limits=limits, now=now, batch=BATCH)
    await end_runs(tx, rows, now=now)
    await move(tx, rows, Report(now, "Failed", MINOR_GIVEN_UP, source=SOURCE), now=now)
    await settle(tx, dict.fromkeys(rows, ErrorClass.HOST), config=config, now=now)
    return len(rows)


async def release_unstarted(tx: Tx, *, config: Config, now: datetime) -> int:
    """Take jobs back from pilots that do not start them; returns how many."""
    limits = _limits(config, lambda health: health.matched_timeout, lambda site: site.matched_timeout)
    rows = await lock_silent_jobs(tx, "not_started", limits=limits, now=now, batch=BATCH)
    await end_runs(tx, rows, now=now)
    await give_back(tx, rows, config=config, now=now)
    return len(rows)


def _limits(
    config: Config, of_vo: Callable[[JobHealth], float], of_site: Callable[[SiteJobHealth], float | None]
) -> Limits:
    limits: Limits = {}
    for vo, operations in config.operations.items():
        limits[vo, None] = of_vo(operations.job_health)
        for site, health in operations.job_health.per_site.items():
            if (after_s := of_site(health)) is not None:
                limits[vo, site] = after_s
    return limits
