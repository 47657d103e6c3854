"""Jobs without a sign of life: marked, given up, or given to another pilot, by rules that each VO may tune."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from weyl.config.models import Config
from weyl.config.operations import JobHealth, SiteJobHealth
from weyl.jobs.queries import reschedule as queries
from weyl.jobs.retries import ErrorClass
from weyl.jobs.service.moves import end_runs, move
from weyl.jobs.service.retry import settle
from weyl.jobs.starts import NOT_HEARD_OF
from weyl.jobs.states import OUTPUTS_LOST, Report
from weyl.kit.bisection import bisect
from weyl.kit.db import Database, Tx

SOURCE = "StalledJobs"
MINOR_GIVEN_UP = "Watchdog identified this job as stalled"
BATCH = 10_000
REPORTS_MISSED_MIN = 3

log = structlog.get_logger(__name__)

Rows = Mapping[int, queries.Run]


# An upload expires a day after it was opened, and then fails its job itself: what is left has none.
OUTPUTS_AFTER_S = 25 * 3_600


@dataclass(frozen=True, slots=True)
class Rule:
    """After how many seconds of silence, in a VO and at a site, something is done with jobs, and what."""

    name: str
    of_vo: Callable[[JobHealth], float]
    of_site: Callable[[SiteJobHealth], float | None]
    apply: Callable[[Tx, Rows, Config, datetime], Awaitable[None]]


async def _mark(tx: Tx, rows: Rows, config: Config, now: datetime) -> None:
    await move(tx, rows, Report(now, "Stalled", source=SOURCE), now=now)


async def _fail(tx: Tx, rows: Rows, config: Config, now: datetime) -> None:
    """They are lost to their host, and so run again on another, at no cost in reschedulings."""
    await end_runs(tx, rows, now=now)
    await move(tx, rows, Report(now, "Failed", MINOR_GIVEN_UP, source=SOURCE), now=now)
    await settle(tx, dict.fromkeys(rows, ErrorClass.HOST), config=config, now=now)


async def _fail_unheard(tx: Tx, rows: Rows, config: Config, now: datetime) -> None:
    await end_runs(tx, rows, now=now)
    await move(tx, rows, Report(now, "Failed", NOT_HEARD_OF, source=SOURCE), now=now)
    await settle(tx, dict.fromkeys(rows, ErrorClass.PILOT), config=config, now=now)


async def _fail_without_outputs(tx: Tx, rows: Rows, config: Config, now: datetime) -> None:
    await move(tx, rows, Report(now, "Failed", *OUTPUTS_LOST, source=SOURCE), now=now)


MARK_STALLED = Rule(
    "stalled",
    lambda health: max(health.stalled_after, REPORTS_MISSED_MIN * health.report_every),
    lambda site: site.stalled_after,
    _mark,
)
"""Running jobs that have been silent are marked."""
FAIL_LOST = Rule("lost", lambda health: health.fail_after, lambda site: site.fail_after, _fail)
"""Stalled jobs that stay silent are given up, also where the pilot seems to live."""
FAIL_UNHEARD = Rule(
    "not_started", lambda health: health.matched_timeout, lambda site: site.matched_timeout, _fail_unheard
)
"""Jobs of whose start nothing is heard fail: pilots may be cut off while payloads run, so they run again only as lost
ones do."""
FAIL_WITHOUT_OUTPUTS = Rule("without_outputs", lambda _: OUTPUTS_AFTER_S, lambda _: None, _fail_without_outputs)
"""Jobs that say that their output will be registered, and for which nobody does it."""
RULES = (FAIL_LOST, MARK_STALLED, FAIL_UNHEARD, FAIL_WITHOUT_OUTPUTS)


async def apply(db: Database, rule: Rule, *, config: Config, now: datetime) -> int:
    """Apply a rule to all silent jobs, batch by batch; returns how many it moved, and leaves alone what it cannot."""
    patience = _patience(config, rule)

    async def among(job_ids: Sequence[int]) -> int:
        async with db.transaction() as tx:
            rows = await queries.lock_silent_jobs(tx, rule.name, job_ids, patience=patience, now=now)
            await rule.apply(tx, rows, config, now)
        return len(rows)

    moved, after, has_more = 0, 0, True
    while has_more:
        async with db.read() as tx:
            silent = await queries.select_silent_jobs(
                tx, rule.name, patience=patience, now=now, after=after, limit=BATCH
            )
        outcome = await bisect(silent, among, event="jobs.silent_not_moved")
        moved += outcome.done
        has_more = len(silent) == BATCH and not outcome.is_given_up
        after = silent[-1] if silent else after
    if moved:
        log.info("jobs.silent_moved", rule=rule.name, jobs=moved)
    return moved


def _patience(config: Config, rule: Rule) -> queries.Patience:
    patience: queries.Patience = {}
    for vo, operations in config.operations.items():
        patience[vo, None] = rule.of_vo(operations.job_health)
        for site, health in operations.job_health.per_site.items():
            if (after_s := rule.of_site(health)) is not None:
                patience[vo, site] = after_s
    return patience
