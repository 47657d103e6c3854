"""Limits, shares and sites as people look at them: from the database, so that every process says the same."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from weyl.config.models import Config
from weyl.jobs.permits import JobScope
from weyl.jobs.queries.search import Selection, select_counts_from_counters
from weyl.jobs.states import ACTIVE
from weyl.kit.db import Tx
from weyl.kit.search import SearchSpec, VectorSearchOperator, VectorSearchSpec
from weyl.matcher.loads import GroupShare, LimitLoad, SiteLoad
from weyl.matcher.queries import looks as queries
from weyl.matcher.shares import NOBODY, scheduling_of
from weyl.resource_status.models import ElementShown
from weyl.task_queues.gates import GateState, Rule, has_room
from weyl.task_queues.permits import QueueScope

LIMITS_MAX = 10_000
OWNERS_MAX = 20


async def limits(tx: Tx, scope: QueueScope, *, now: datetime) -> list[LimitLoad]:
    """Return every limit of a VO with what runs behind it."""
    return [_limit(row, now) for row in await queries.select_limits(tx, scope.vo, limit=LIMITS_MAX)]


def _limit(row: queries.Limit, now: datetime) -> LimitLoad:
    rule = Rule(
        row.vo,
        site=row.site,
        ce=row.ce,
        job_type=row.job_type,
        owner_group=row.owner_group,
        owner=row.owner,
        max_jobs=row.max_jobs,
        max_cores=row.max_cores,
        delay_s=row.delay_s,
        burst=row.burst,
    )
    state = GateState(row.used_jobs, row.used_cores, row.tat)
    return LimitLoad(
        limit=rule.shown(row.key),
        jobs=state.used_jobs,
        jobs_max=rule.max_jobs,
        cores=state.used_cores,
        cores_max=rule.max_cores,
        delay_s=rule.delay_s,
        open=has_room(rule, state, cores=1, now=now),
        **rule.values(row.key),
    )


async def shares(tx: Tx, scope: QueueScope, *, config: Config, now: datetime) -> list[GroupShare]:
    """Return the groups of a VO in the order in which they are served."""
    says = scheduling_of(config, scope.vo)
    waiting = await queries.count_waiting_by_group(tx, scope.vo)
    used: dict[str, Counter[str]] = {name: Counter() for name in {*says.shares, *waiting}}
    for row in await queries.select_group_usage(tx, scope.vo):
        age_s = max(0.0, (now - row.at).total_seconds())
        owners = used.setdefault(row.owner_group, Counter())
        owners[row.owner] += row.usage * 0.5 ** (age_s / says.half_life_s)
    ranked = sorted(used, key=lambda group: (used[group].total() / says.share(group), group))
    return [
        GroupShare(
            group=group,
            rank=rank,
            share=says.share(group),
            usage=round(used[group].total(), 1),
            usage_by_share=used[group].total() / says.share(group),
            waiting=waiting.get(group, 0),
            owners={name: round(usage, 1) for name, usage in used[group].most_common(OWNERS_MAX) if name != NOBODY},
        )
        for rank, group in enumerate(ranked, 1)
    ]


async def sites(
    tx: Tx, scope: JobScope, shown: Sequence[ElementShown], *, config: Config, now: datetime
) -> list[SiteLoad]:
    """Return sites with the jobs there and the limits that hold for each of them."""
    assert scope.vo is not None, "jobs by site are those of one VO"
    live: list[SearchSpec] = [
        VectorSearchSpec(parameter="Status", operator=VectorSearchOperator.IN, values=sorted(ACTIVE))
    ]
    counts = await select_counts_from_counters(tx, Selection(scope, live), ["Site", "Status"])
    jobs = {(row["Site"], row["Status"]): int(row["count"]) for row in counts}
    rows = await queries.select_limits(tx, scope.vo, limit=LIMITS_MAX)
    known = [each for each in (_limit(row, now) for row in rows) if each.site]
    return [_site(element, jobs, known, config) for element in shown]


def _site(
    element: ElementShown, jobs: dict[tuple[str, str], int], known: Sequence[LimitLoad], config: Config
) -> SiteLoad:
    name = element.name
    here = [each for each in known if each.site == name]
    whole = [each.jobs_max for each in here if each.limit == f"site={name}" and each.jobs_max is not None]
    return SiteLoad(
        site=name,
        **element.model_dump(include={"status", "reason", "decided_by", "expires_at", "draining", "drain_until"}),
        ces=len(config.resources.sites[name].ces),
        matched=jobs.get((name, "Matched"), 0),
        running=jobs.get((name, "Running"), 0) + jobs.get((name, "Completing"), 0),
        stalled=jobs.get((name, "Stalled"), 0),
        jobs_max=min(whole, default=None),
        limits=here,
    )
