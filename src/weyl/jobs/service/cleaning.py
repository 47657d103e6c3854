"""Retention: jobs that ended long ago are deleted, and deleted ones removed, by the rules of their VO and type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from weyl.config.operations import JobCleaning
from weyl.jobs.additions import JobReferences
from weyl.jobs.permits import Managed
from weyl.jobs.queries import removal as queries
from weyl.jobs.service import commands
from weyl.jobs.service.removal import referred_to, remove
from weyl.kit.bisection import bisect
from weyl.kit.db import Database, Tx

SOURCE = "JobCleaning"
BATCH = 1_000
START = (datetime(1, 1, 1, tzinfo=UTC), 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """Jobs of one type that are deleted (`ended`) or removed (`deleted`) some time after their last change."""

    step: str
    vo: str
    job_type: str
    after_s: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a batch came to; `last` is where the next begins, and none after the last."""

    changed: int
    last: tuple[datetime, int] | None


def rules_of(options: JobCleaning, vo: str, job_types: Sequence[str]) -> list[Rule]:
    """Return what holds for the types of a VO's jobs: what is deleted already goes first, and makes room."""
    rules = []
    for step in ("deleted", "ended"):
        for job_type in job_types:
            own = options.per_job_type.get(job_type)
            is_on = options.enabled if own is None or own.enabled is None else own.enabled
            name = "remove_after" if step == "deleted" else "delete_after"
            after_s = None if own is None else getattr(own, name)
            if is_on:
                rules.append(Rule(step, vo, job_type, getattr(options, name) if after_s is None else after_s))
    return rules


async def clean(
    db: Database, rule: Rule, *, after: tuple[datetime, int], references: Sequence[JobReferences], now: datetime
) -> Cleaned:
    """Delete or remove one batch of the jobs that a rule is about, the oldest first; one that fails is left alone."""
    before = now - timedelta(seconds=rule.after_s)

    async def among(job_ids: Sequence[int]) -> int:
        async with db.transaction() as tx:
            runs = await queries.lock_old(tx, rule.step, job_ids, before=before)
            return await _apply(tx, rule, runs, references=references, now=now)

    async with db.read() as tx:
        of = (rule.vo, rule.job_type)
        rows = await queries.select_old(tx, rule.step, of=of, before=before, after=after, limit=BATCH)
    cleaned = await bisect([row.job_id for row in rows], among, event="jobs.not_cleaned")
    has_more = len(rows) == BATCH and not cleaned.is_given_up
    return Cleaned(cleaned.done, (rows[-1].last_update_time, rows[-1].job_id) if has_more else None)


async def _apply(
    tx: Tx, rule: Rule, runs: Mapping[int, str | None], *, references: Sequence[JobReferences], now: datetime
) -> int:
    if not runs:
        return 0
    if rule.step == "deleted":
        return len(runs) - len(await remove(tx, Managed(runs, frozenset()), vo=rule.vo, references=references))
    kept = await referred_to(tx, rule.vo, sorted(runs), references)
    going = {job_id: stamp for job_id, stamp in runs.items() if job_id not in kept}
    if going:
        await commands.delete(tx, Managed(going, frozenset()), now=now, source=SOURCE)
    return len(going)
