"""Retention: jobs that ended long ago are deleted, and deleted ones removed, by the rules of their VO and type."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from weyl.config.operations import JobCleaning
from weyl.jobs.additions import JobReferences
from weyl.jobs.permits import Managed
from weyl.jobs.queries import removal as queries
from weyl.jobs.service import commands
from weyl.jobs.service.removal import referred_to, remove
from weyl.kit.db import Tx

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
    tx: Tx, rule: Rule, *, after: tuple[datetime, int], references: Sequence[JobReferences], now: datetime
) -> Cleaned:
    """Delete or remove one batch of the jobs that a rule is about, the oldest first."""
    rows = await queries.lock_old(
        tx,
        rule.step,
        of=(rule.vo, rule.job_type),
        before=now - timedelta(seconds=rule.after_s),
        after=after,
        limit=BATCH,
    )
    last = (rows[-1].last_update_time, rows[-1].job_id) if len(rows) == BATCH else None
    job_ids = sorted(row.job_id for row in rows)
    runs = {row.job_id: row.pilot_stamp for row in rows}
    if rule.step == "deleted" and job_ids:
        kept = await remove(tx, Managed(runs, frozenset()), vo=rule.vo, references=references)
        return Cleaned(len(rows) - len(kept), last)
    kept = await referred_to(tx, rule.vo, job_ids, references)
    going = {job_id: stamp for job_id, stamp in runs.items() if job_id not in kept}
    if going:
        await commands.delete(tx, Managed(going, frozenset()), now=now, source=SOURCE)
    return Cleaned(len(going), last)
