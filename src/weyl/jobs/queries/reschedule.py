"""SQL that gives jobs another run: what the last one left is archived, and the row begins anew."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict

import sqlalchemy as sa

from weyl.jobs.tables import job_attempts
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql, fetch_as


class Run(NamedTuple):
    """A locked job: what another run of it depends on."""

    job_id: int
    vo: str
    owner: str
    owner_group: str
    site: str
    status: str
    verified_flag: bool
    reschedule_counter: int
    submission_time: datetime
    start_exec_time: datetime | None
    end_exec_time: datetime | None
    pilot_stamp: str | None
    class_ids: list[int]
    description_id: int
    parameters: Document | None
    job_type: str
    overrides: Document | None
    allocated: Document | None
    output_state: str | None


class DescriptionRow(NamedTuple):
    """What was submitted."""

    description_id: int
    jdl: str
    document: Document


class Attempt(TypedDict):
    """A run that a job has had before, as it goes over the wire."""

    attempt: int
    ended_at: datetime
    site: str
    host: str | None
    status: str
    minor_status: str
    error_class: str | None
    overrides: Document | None


_ROW = ", ".join(f"jobs.{name}" for name in Run._fields)
_LOCK = Sql(f"SELECT {_ROW} FROM jobs WHERE job_id = ANY(:job_ids) ORDER BY job_id FOR NO KEY UPDATE", Run)
_LOCK_BY_PILOT = Sql(
    f"""
    SELECT {_ROW} FROM jobs
    WHERE pilot_stamp = ANY(:stamps) AND job_is_active(status)
    ORDER BY job_id FOR NO KEY UPDATE
    """,
    Run,
)
_WITH_JOBS = Sql(
    """
    SELECT DISTINCT pilot_stamp FROM jobs
    WHERE pilot_stamp = ANY(:stamps) AND job_is_active(status)
    """,
    str,
)
_DESCRIPTIONS = Sql(
    "SELECT description_id, jdl, document FROM job_descriptions WHERE description_id = ANY(:description_ids)",
    DescriptionRow,
)
_ARCHIVE = Sql(
    """
    INSERT INTO job_attempts (job_id, attempt, ended_at, site, pilot_stamp, status, minor_status,
      application_status, start_exec_time, end_exec_time, parameters, host, error_class, overrides)
    SELECT jobs.job_id,
      1 + coalesce((SELECT max(attempt) FROM job_attempts WHERE job_attempts.job_id = jobs.job_id), 0),
      :now, site, pilot_stamp, status, minor_status, application_status, start_exec_time, end_exec_time,
      coalesce((
        SELECT jsonb_object_agg(name, value) FROM job_parameters WHERE job_parameters.job_id = jobs.job_id), '{}'),
      allocated->>'host', run.error_class, overrides
    FROM jobs JOIN unnest(CAST(:job_ids AS bigint[]), CAST(:error_classes AS text[])) AS run (job_id, error_class)
      ON run.job_id = jobs.job_id
    """
)
_CLEAR = Sql(
    """
    WITH outputs AS (DELETE FROM job_outputs WHERE job_id = ANY(:job_ids))
    DELETE FROM job_parameters WHERE job_id = ANY(:job_ids)
    """
)
_RESET = Sql(
    """
    UPDATE jobs SET status = 'Received', minor_status = 'Job Rescheduled', application_status = 'Unknown',
      reschedule_time = :now, last_update_time = :now, start_exec_time = NULL, end_exec_time = NULL,
      heart_beat_time = NULL, pilot_stamp = NULL, allocated = NULL, class_ids = '{}', accounted_flag = 'false',
      site = start.site, user_priority = start.user_priority, reschedule_counter = start.reschedule_counter,
      overrides = CAST(start.overrides AS jsonb),
      output_state = CASE WHEN output_state IS NOT NULL THEN 'wanted' END
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:sites AS text[]), CAST(:priorities AS integer[]),
        CAST(:counters AS integer[]), CAST(:overrides AS text[]))
      AS start (job_id, site, user_priority, reschedule_counter, overrides)
    WHERE jobs.job_id = start.job_id
    """
)

_LIFE = "coalesce(heart_beat_time, last_update_time)"
# The conditions are spelled out, so that the planner sees that the index of live jobs holds them.
_RULES = {
    "stalled": ("status IN ('Running', 'Completing')", _LIFE),
    "lost": ("status = 'Stalled'", _LIFE),
    "not_started": ("status = 'Matched'", "last_update_time"),
    "without_outputs": ("status = 'Completed' AND output_state = 'wanted'", "last_update_time"),
}
_SILENT = {
    rule: f"""
    FROM jobs
    JOIN unnest(CAST(:vos AS text[]), CAST(:vo_limits AS double precision[])) AS in_vo (vo, after_s)
      ON in_vo.vo = jobs.vo
    LEFT JOIN unnest(CAST(:site_vos AS text[]), CAST(:sites AS text[]), CAST(:site_limits AS double precision[]))
      AS at_site (vo, site, after_s) ON at_site.vo = jobs.vo AND at_site.site = jobs.site
    WHERE {condition}
      AND {since} < CAST(:now AS timestamptz) - make_interval(secs => coalesce(at_site.after_s, in_vo.after_s))
    """
    for rule, (condition, since) in _RULES.items()
}
_SELECT_SILENT = {
    rule: Sql(f"SELECT job_id {silent} AND job_id > :after ORDER BY job_id LIMIT :limit", int)
    for rule, silent in _SILENT.items()
}
_LOCK_SILENT = {
    rule: Sql(
        f"""
        SELECT {_ROW} {silent} AND job_id = ANY(:job_ids)
        ORDER BY job_id FOR NO KEY UPDATE OF jobs SKIP LOCKED
        """,
        Run,
    )
    for rule, silent in _SILENT.items()
}
Patience = dict[tuple[str, str | None], float]
"""Seconds by VO (site None) and, where a site has a patience of its own, by VO and site."""


async def lock_jobs(tx: Tx, job_ids: Iterable[int]) -> dict[int, Run]:
    """Lock jobs in the order of their ids and return what another run depends on."""
    return _by_id(await _LOCK.rows(tx, job_ids=list(job_ids)))


async def lock_jobs_of_pilots(tx: Tx, stamps: Sequence[str]) -> dict[int, Run]:
    """Lock the jobs that these pilots are thought to run."""
    return _by_id(await _LOCK_BY_PILOT.rows(tx, stamps=stamps))


async def select_pilots_with_jobs(tx: Tx, stamps: Sequence[str]) -> set[str]:
    """Return those of these pilots that are thought to run jobs."""
    return set(await _WITH_JOBS.rows(tx, stamps=stamps))


async def select_silent_jobs(
    tx: Tx, rule: str, *, patience: Patience, now: datetime, after: int, limit: int
) -> list[int]:
    """Return jobs that one rule of health has found wanting, in order, from behind a job on."""
    return await _SELECT_SILENT[rule].rows(tx, **_arrays(patience), now=now, after=after, limit=limit)


async def lock_silent_jobs(
    tx: Tx, rule: str, job_ids: Sequence[int], *, patience: Patience, now: datetime
) -> dict[int, Run]:
    """Lock those of these jobs that a rule still finds wanting, passing over those that somebody holds."""
    return _by_id(await _LOCK_SILENT[rule].rows(tx, **_arrays(patience), now=now, job_ids=job_ids))


def _arrays(patience: Patience) -> dict[str, list[object]]:
    of_vos = [(vo, after_s) for (vo, site), after_s in patience.items() if site is None]
    of_sites = [(vo, site, after_s) for (vo, site), after_s in patience.items() if site is not None]
    return {
        "vos": [vo for vo, _ in of_vos],
        "vo_limits": [after_s for _, after_s in of_vos],
        "site_vos": [vo for vo, _, _ in of_sites],
        "sites": [site for _, site, _ in of_sites],
        "site_limits": [after_s for _, _, after_s in of_sites],
    }


async def select_descriptions(tx: Tx, description_ids: Iterable[int]) -> dict[int, DescriptionRow]:
    """Return what was submitted, by the number of the description."""
    rows = await _DESCRIPTIONS.rows(tx, description_ids=sorted(set(description_ids)))
    return {row.description_id: row for row in rows}


_EXIT_CODES = Sql(
    "SELECT job_id, value FROM job_parameters WHERE name = 'PayloadExitCode' AND job_id = ANY(:job_ids)",
    tuple[int, object],
)


async def select_exit_codes(tx: Tx, job_ids: Sequence[int]) -> dict[int, int]:
    """Return the exit codes of the programs of jobs, where one was reported."""
    rows = await _EXIT_CODES.rows(tx, job_ids=job_ids)
    return {job_id: value for job_id, value in rows if isinstance(value, int)}


async def select_attempts(tx: Tx, job_ids: Sequence[int]) -> list[Attempt]:
    """Return the runs that these jobs have had before: where, how they ended, and what they asked for."""
    statement = (
        sa.select(*(job_attempts.c[name] for name in Attempt.__annotations__))
        .where(job_attempts.c.job_id == sa.any_(sa.literal(list(job_ids), sa.ARRAY(sa.BigInteger))))
        .order_by(job_attempts.c.job_id, job_attempts.c.attempt)
    )
    return await fetch_as(tx, Attempt, statement)


async def archive_attempts(tx: Tx, runs: Mapping[int, str | None], now: datetime) -> None:
    """Keep what the last run of locked jobs left, with the class of its error, and clear parameters and outputs."""
    job_ids = list(runs)
    await _ARCHIVE.run(tx, job_ids=job_ids, error_classes=list(runs.values()), now=now)
    await _CLEAR.run(tx, job_ids=job_ids)


async def reset_jobs(tx: Tx, starts: Mapping[int, tuple[str, int, int, str | None]], now: datetime) -> None:
    """Begin locked jobs anew: (site, priority, counter of reschedulings, overrides as JSON text) by job."""
    await _RESET.run(
        tx,
        job_ids=list(starts),
        sites=[site for site, *_ in starts.values()],
        priorities=[priority for _, priority, *_ in starts.values()],
        counters=[counter for _, _, counter, _ in starts.values()],
        overrides=[overrides for *_, overrides in starts.values()],
        now=now,
    )


def _by_id(rows: Sequence[Run]) -> dict[int, Run]:
    return {row.job_id: row for row in rows}
