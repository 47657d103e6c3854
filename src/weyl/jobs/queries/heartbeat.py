"""SQL of heartbeats: figures over time, and parameters under free names."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql

FIGURES = ("load_average", "memory_used", "vsize", "available_disk_space", "cpu_consumed", "wall_clock_time")


class Parameter(NamedTuple):
    """A parameter of a job, whose value is JSON."""

    name: str
    value: Any


class Place(NamedTuple):
    """Where a locked job is."""

    job_id: int
    status: str
    site: str
    pilot_stamp: str | None


class Sign(NamedTuple):
    """How a job is, its last sign of life, one of its parameters, and whether it is yet to hear of a look."""

    status: str
    heart_beat_time: datetime | None
    value: Any
    is_asked: bool


_INSERT = Sql(
    f"""
    INSERT INTO job_heartbeats (job_id, at, {", ".join(FIGURES)})
    SELECT job_id, :now, {", ".join(FIGURES)}
    FROM unnest(CAST(:job_ids AS bigint[]), {", ".join(f"CAST(:{name} AS double precision[])" for name in FIGURES)})
      AS figures (job_id, {", ".join(FIGURES)})
    """
)
_UPSERT_PARAMETERS = Sql(
    """
    INSERT INTO job_parameters (job_id, name, value)
    SELECT job_id, name, CAST(value AS jsonb)
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:names AS text[]), CAST(:texts AS text[]))
      AS given (job_id, name, value)
    -- ordered, so that two callers who write the same parameters wait for each other in one direction only
    ORDER BY job_id, name
    ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value
    """
)
_PARAMETERS = Sql("SELECT name, value FROM job_parameters WHERE job_id = :job_id ORDER BY name", Parameter)
_SITES = Sql(
    """
    UPDATE jobs SET site = given.site
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:sites AS text[])) AS given (job_id, site)
    WHERE jobs.job_id = given.job_id
    """
)
_LOCK = Sql(
    """
    SELECT job_id, status, site, pilot_stamp FROM jobs WHERE job_id = ANY(:job_ids)
    ORDER BY job_id FOR NO KEY UPDATE
    """,
    Place,
)
_SHOWN = Sql(
    """
    SELECT jobs.status, jobs.heart_beat_time, shown.value,
      EXISTS (
        SELECT FROM job_commands WHERE job_commands.job_id = jobs.job_id AND command = 'Peek'
          AND delivered_at IS NULL AND job_commands.pilot_stamp = jobs.pilot_stamp) AS is_asked
    FROM jobs LEFT JOIN job_parameters AS shown ON shown.job_id = jobs.job_id AND shown.name = :name
    WHERE jobs.job_id = :job_id
    """,
    Sign,
)


async def insert_heartbeats(tx: Tx, figures: Sequence[tuple[int, Mapping[str, float]]], now: datetime) -> None:
    """Append figures of jobs; a job may have several."""
    columns = {name: [values.get(name) for _, values in figures] for name in FIGURES}
    await _INSERT.run(tx, job_ids=[job_id for job_id, _ in figures], now=now, **columns)


async def upsert_parameters(tx: Tx, parameters: Iterable[tuple[int, str, str]]) -> None:
    """Set parameters of jobs: (job, name, value as JSON text); of one name the last value counts."""
    values = {(job_id, name): value for job_id, name, value in parameters}
    if values:
        await _UPSERT_PARAMETERS.run(
            tx,
            job_ids=[job_id for job_id, _ in values],
            names=[name for _, name in values],
            texts=list(values.values()),
        )


async def select_parameters(tx: Tx, job_id: int) -> Document:
    """Return the parameters of a job by name."""
    return {row.name: row.value for row in await _PARAMETERS.rows(tx, job_id=job_id)}


async def select_shown(tx: Tx, job_id: int, name: str) -> Sign:
    """Return a job's status, its last sign of life, one of its parameters, and whether it is yet to hear of a look."""
    return await _SHOWN.one(tx, job_id=job_id, name=name)


async def lock_sites(tx: Tx, job_ids: Iterable[int]) -> list[Place]:
    """Lock jobs in the order of their ids, and return where they are."""
    return await _LOCK.rows(tx, job_ids=list(job_ids))


async def update_sites(tx: Tx, sites: Mapping[int, str]) -> None:
    """Set the site of locked jobs."""
    await _SITES.run(tx, job_ids=list(sites), sites=list(sites.values()))
