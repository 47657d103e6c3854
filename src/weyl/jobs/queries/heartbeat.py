"""SQL of heartbeats: figures over time, and parameters under free names."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from weyl.kit.db import Timestamp, Tx

FIGURES = ("load_average", "memory_used", "vsize", "available_disk_space", "cpu_consumed", "wall_clock_time")

_INSERT = sa.text(
    f"INSERT INTO job_heartbeats (job_id, at, {', '.join(FIGURES)})"
    " SELECT figures.job_id, :now, " + ", ".join(f"figures.{name}" for name in FIGURES) + " FROM unnest("
    "CAST(:job_ids AS bigint[]), "
    + ", ".join(f"CAST(:{name} AS double precision[])" for name in FIGURES)
    + f") AS figures (job_id, {', '.join(FIGURES)})"
).bindparams(sa.bindparam("now", type_=Timestamp))
# Ordered, so that two callers who write the same parameters wait for each other in one direction only.
_UPSERT_PARAMETERS = sa.text(
    "INSERT INTO job_parameters (job_id, name, value) SELECT job_id, name, CAST(value AS jsonb)"
    " FROM unnest(CAST(:job_ids AS bigint[]), CAST(:names AS text[]), CAST(:texts AS text[]))"
    "  AS given (job_id, name, value)"
    " ORDER BY job_id, name ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value"
)


async def insert_heartbeats(tx: Tx, figures: Sequence[tuple[int, Mapping[str, float]]], now: datetime) -> None:
    """Append figures of jobs; a job may have several."""
    columns: dict[str, list[Any]] = {name: [values.get(name) for _, values in figures] for name in FIGURES}
    await tx.execute(_INSERT, {**columns, "job_ids": [job_id for job_id, _ in figures], "now": now})


async def upsert_parameters(tx: Tx, parameters: Iterable[tuple[int, str, str]]) -> None:
    """Set parameters of jobs: (job, name, value as JSON text); of one name the last value counts."""
    values = {(job_id, name): value for job_id, name, value in parameters}
    if values:
        await tx.execute(
            _UPSERT_PARAMETERS,
            {
                "job_ids": [job_id for job_id, _ in values],
                "names": [name for _, name in values],
                "texts": list(values.values()),
            },
        )


_PARAMETERS = sa.text("SELECT name, value FROM job_parameters WHERE job_id = :job_id ORDER BY name").columns(
    value=JSONB
)
_SITES = sa.text(
    "UPDATE jobs SET site = given.site FROM unnest(CAST(:job_ids AS bigint[]), CAST(:sites AS text[]))"
    " AS given (job_id, site) WHERE jobs.job_id = given.job_id"
)
_LOCK = sa.text(
    "SELECT job_id, status, site, pilot_stamp FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[]))"
    " ORDER BY job_id FOR NO KEY UPDATE"
)


async def select_parameters(tx: Tx, job_id: int) -> dict[str, Any]:
    """Return the parameters of a job by name."""
    rows = await tx.execute(_PARAMETERS, {"job_id": job_id})
    return {row.name: row.value for row in rows}


_SHOWN = sa.text(
    "SELECT jobs.status, jobs.heart_beat_time, shown.value,"
    " EXISTS (SELECT FROM job_commands WHERE job_commands.job_id = jobs.job_id AND command = 'Peek'"
    "  AND delivered_at IS NULL AND job_commands.pilot_stamp = jobs.pilot_stamp) AS is_asked FROM jobs"
    " LEFT JOIN job_parameters AS shown ON shown.job_id = jobs.job_id AND shown.name = :name"
    " WHERE jobs.job_id = :job_id"
).columns(value=JSONB, heart_beat_time=Timestamp)


async def select_shown(tx: Tx, job_id: int, name: str) -> sa.RowMapping:
    """Return a job's status, its last sign of life, one of its parameters, and whether it is yet to hear of a look."""
    return (await tx.execute(_SHOWN, {"job_id": job_id, "name": name})).mappings().one()


async def lock_sites(tx: Tx, job_ids: Iterable[int]) -> Sequence[sa.RowMapping]:
    """Lock jobs in the order of their ids, and return where they are."""
    return (await tx.execute(_LOCK, {"job_ids": list(job_ids)})).mappings().all()


async def update_sites(tx: Tx, sites: Mapping[int, str]) -> None:
    """Set the site of locked jobs."""
    await tx.execute(_SITES, {"job_ids": list(sites), "sites": list(sites.values())})
