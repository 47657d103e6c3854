"""SQL of why jobs wait, and of what decides who is served: limits, shares, hosts, and the time that has passed."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.task_queues.health import SINGLE_BELOW, Health

COUNTED_MAX = 100_000


class ExplainedJob(NamedTuple):
    """What decides whether a job waits, and in which classes, and what is known of it if it does not."""

    vo: str
    status: str
    minor_status: str
    application_status: str
    site: str
    host: str | None
    class_ids: list[int]
    submission_time: datetime
    last_update_time: datetime
    start_exec_time: datetime | None
    heart_beat_time: datetime | None
    output_state: str | None
    bundle: str | None
    """Of the workflow that it runs, if it runs one."""
    fragment: str | None
    ended_by: str | None
    """Who has killed or deleted it, as its history says."""


class Position(NamedTuple):
    """How many jobs of a class, and of others that stand in one line with it, go before a job; how many the class has.

    Each is counted up to one more than `COUNTED_MAX`.
    """

    ahead: int
    older: int
    jobs: int


class Limit(NamedTuple):
    """A rule with a gate, if there is one, and what runs behind it."""

    vo: str
    site: str
    ce: str
    job_type: str
    owner_group: str
    owner: str
    max_jobs: int | None
    max_cores: int | None
    delay_s: float | None
    burst: int
    key: str
    used_jobs: int
    used_cores: int
    tat: datetime | None


class Usage(NamedTuple):
    """What an owner has used, as it was when it was written."""

    owner_group: str
    owner: str
    usage: float
    at: datetime


_SELECT_EXPLAINED = Sql(
    """
    SELECT vo, status, minor_status, application_status, site, allocated ->> 'host' AS host, class_ids,
      submission_time, last_update_time, start_exec_time, heart_beat_time, output_state,
      workflow ->> 'Bundle' AS bundle, workflow ->> 'Fragment' AS fragment, source AS ended_by
    FROM jobs LEFT JOIN LATERAL (
      SELECT document -> 'Workflow' AS workflow FROM job_descriptions d
      WHERE d.description_id = jobs.description_id AND NOT document ? 'Executable'
    ) d ON true
    LEFT JOIN LATERAL (
      SELECT source FROM job_history h
      WHERE h.job_id = jobs.job_id AND h.status = jobs.status AND jobs.status IN ('Killed', 'Deleted')
      ORDER BY at DESC LIMIT 1
    ) h ON true
    WHERE jobs.job_id = :job_id
    """,
    ExplainedJob,
)
_SELECT_PLACE = Sql(
    f"""
    SELECT
      (SELECT count(*) FROM (
        SELECT FROM queue WHERE class_id = :class_id AND job_id < :job_id LIMIT {COUNTED_MAX + 1}) f) AS ahead,
      (SELECT count(*) FROM (
        SELECT FROM unnest(CAST(:older AS integer[])) AS c(class_id) CROSS JOIN LATERAL (
          SELECT FROM queue q WHERE q.class_id = c.class_id AND q.job_id < :job_id LIMIT {COUNTED_MAX + 1}
        ) q LIMIT {COUNTED_MAX + 1}) o) AS older,
      (SELECT CAST(coalesce(sum(delta), 0) AS bigint) FROM class_count WHERE class_id = :class_id) AS jobs
    """,
    Position,
)
_LAST_SUBMITTED = Sql(
    """
    -- ids rise with the time of submission, so that a search by halves finds the place: some forty probes of the key
    WITH RECURSIVE step AS (
      SELECT 0::bigint AS low, coalesce((SELECT max(job_id) FROM jobs), 0) AS high
      UNION ALL
      SELECT CASE WHEN p.is_old THEN m.middle ELSE s.low END, CASE WHEN p.is_old THEN s.high ELSE m.middle - 1 END
      FROM step s CROSS JOIN LATERAL (SELECT s.low + (s.high - s.low + 1) / 2 AS middle) m
      CROSS JOIN LATERAL (
        SELECT coalesce((SELECT submission_time <= :before FROM jobs WHERE job_id >= m.middle
          ORDER BY job_id LIMIT 1), false) AS is_old
      ) p
      WHERE s.low < s.high
    )
    SELECT max(low) AS job_id FROM step
    """,
    int,
)
_EXPIRED = Sql(
    """
    -- bounded by the key: who has waited for so long was submitted before, and the young ones are not looked at
    SELECT job_id FROM jobs
    WHERE vo = :vo AND status = 'Waiting' AND job_id <= :last AND last_update_time <= :before
    ORDER BY job_id LIMIT :limit
    """,
    int,
)
_SELECT_UNHEALTHY = Sql(
    "SELECT site, host, score, at FROM host_health WHERE score < :below", tuple[str, str, float, datetime]
)
_COUNT_ON_HOST = Sql(
    """
    SELECT count(*) AS jobs FROM jobs
    WHERE job_is_active(status) AND allocated ->> 'host' = :host AND site = :site
    """,
    int,
)
_SELECT_LIMITS = Sql(
    """
    SELECT r.vo, r.site, r.ce, r.job_type, r.owner_group, r.owner, r.max_jobs, r.max_cores, r.delay_s, r.burst,
      coalesce(g.key, r.rule) AS key, coalesce(g.used_jobs, 0) + coalesce(d.jobs, 0) AS used_jobs,
      coalesce(g.used_cores, 0) + coalesce(d.cores, 0) AS used_cores, g.tat
    FROM match_rule r LEFT JOIN match_gate g USING (rule) LEFT JOIN (
      SELECT key, CAST(sum(jobs) AS bigint) AS jobs, CAST(sum(cores) AS bigint) AS cores
      FROM match_gate_delta GROUP BY key
    ) d ON d.key = g.key
    WHERE r.vo = :vo ORDER BY r.rule, g.key LIMIT :limit
    """,
    Limit,
)
_SELECT_GROUP_USAGE = Sql("SELECT owner_group, owner, usage, at FROM share_usage WHERE vo = :vo", Usage)
_COUNT_WAITING_BY_GROUP = Sql(
    """
    SELECT c.owner_group, CAST(sum(k.delta) AS bigint) AS waiting
    FROM class_count k JOIN requirement_class c USING (class_id) WHERE c.vo = :vo GROUP BY c.owner_group
    """,
    tuple[str, int],
)


async def select_explained(tx: Tx, job_id: int) -> ExplainedJob | None:
    """Return what decides whether a job waits, and in which classes, and what is known of it if it does not."""
    return await _SELECT_EXPLAINED.first(tx, job_id=job_id)


async def select_place(tx: Tx, class_id: int, job_id: int, *, older: Sequence[int]) -> Position:
    """Return the place of a job among those of a class, and how many older jobs some other classes have."""
    return await _SELECT_PLACE.one(tx, class_id=class_id, job_id=job_id, older=older)


async def select_last_submitted(tx: Tx, before: datetime) -> int:
    """Return the id of the last job that was submitted before a time."""
    return await _LAST_SUBMITTED.one(tx, before=before)


async def select_expired(tx: Tx, vo: str, *, before: datetime, limit: int) -> list[int]:
    """Return jobs of a VO that have been waiting since a time, the oldest first."""
    last = await select_last_submitted(tx, before)
    return await _EXPIRED.rows(tx, vo=vo, last=last, before=before, limit=limit)


async def select_unhealthy(tx: Tx) -> dict[tuple[str, str], Health]:
    """Return the hosts, by site and name, that were unhealthy when something last ended there."""
    rows = await _SELECT_UNHEALTHY.rows(tx, below=SINGLE_BELOW)
    return {(site, host): Health(score, at) for site, host, score, at in rows}


async def count_on_host(tx: Tx, site: str, host: str) -> int:
    """Return how many jobs a host has."""
    return await _COUNT_ON_HOST.one(tx, site=site, host=host)


async def select_limits(tx: Tx, vo: str, *, limit: int) -> list[Limit]:
    """Return the rules of a VO with their gates, and what runs behind these."""
    return await _SELECT_LIMITS.rows(tx, vo=vo, limit=limit)


async def select_group_usage(tx: Tx, vo: str) -> list[Usage]:
    """Return what the owners of each group of a VO have used, as it was when it was written."""
    return await _SELECT_GROUP_USAGE.rows(tx, vo=vo)


async def count_waiting_by_group(tx: Tx, vo: str) -> dict[str, int]:
    """Return the number of waiting jobs of each group; one that waits in several classes counts in each."""
    return dict(await _COUNT_WAITING_BY_GROUP.rows(tx, vo=vo))
