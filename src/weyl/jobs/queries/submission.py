"""SQL that stores submissions, and finds again what was submitted."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.jobs.tables import job_descriptions, job_history, jobs, submissions
from weyl.kit.db import Tx, copy_rows
from weyl.kit.json import Document
from weyl.kit.sql import Sql, fetch_as, first_as

JOB_COLUMNS = (
    "job_id",
    "job_type",
    "job_group",
    "site",
    "job_name",
    "owner",
    "owner_group",
    "vo",
    "submission_time",
    "last_update_time",
    "status",
    "minor_status",
    "user_priority",
    "description_id",
    "parameters",
    "inputs",
    "workflow_id",
    "output_state",
)
HISTORY_COLUMNS = ("job_id", "at", "status", "minor_status", "application_status", "source")


class KeptAnswer(NamedTuple):
    """What was answered to a key."""

    body_hash: bytes
    job_ids: list[int]
    submitted_at: datetime


class Submitted(NamedTuple):
    """What was submitted for a job, and what retries have changed of it."""

    job_id: int
    jdl: str
    document: Document
    parameters: Document | None
    overrides: Document | None


_RESERVE = Sql(
    """
    SELECT
      ARRAY(SELECT nextval(pg_get_serial_sequence('jobs', 'job_id')) FROM generate_series(1, :jobs)),
      ARRAY(SELECT nextval(pg_get_serial_sequence('job_descriptions', 'description_id'))
        FROM generate_series(1, :descriptions))
    """,
    tuple[list[int], list[int]],
)


async def reserve_ids(tx: Tx, *, jobs: int, descriptions: int) -> tuple[list[int], list[int]]:
    """Return new ids of jobs and of descriptions, each in rising order, so that rows can be loaded with COPY."""
    return await _RESERVE.one(tx, jobs=jobs, descriptions=descriptions)


async def insert_descriptions(tx: Tx, rows: Iterable[Sequence[object]]) -> None:
    """Store descriptions: id, text, document as JSON text, and how many jobs are made from it."""
    await copy_rows(tx, job_descriptions, ("description_id", "jdl", "document", "jobs"), rows)


async def insert_jobs(tx: Tx, rows: Iterable[Sequence[object]]) -> None:
    """Store jobs, columns as in `JOB_COLUMNS`, parameters and inputs as JSON text."""
    await copy_rows(tx, jobs, JOB_COLUMNS, rows)


async def insert_history(tx: Tx, rows: Iterable[Sequence[object]]) -> None:
    """Store records of the history, columns as in `HISTORY_COLUMNS`."""
    await copy_rows(tx, job_history, HISTORY_COLUMNS, rows)


async def select_submission(tx: Tx, identity: dict[str, str], *, since: datetime) -> KeptAnswer | None:
    """Find what was answered to this key of this user since a time."""
    statement = sa.select(*(submissions.c[name] for name in KeptAnswer._fields)).where(
        *(submissions.c[name] == value for name, value in identity.items()), submissions.c.submitted_at >= since
    )
    return await first_as(tx, KeptAnswer, statement)


async def insert_submission(tx: Tx, identity: dict[str, str], *, answer: dict[str, Any], since: datetime) -> bool:
    """Keep the answer to a key, unless one was kept since that time; waits for a submission that is under way."""
    added = insert(submissions).values(**identity, **answer)
    kept = added.on_conflict_do_update(
        index_elements=list(submissions.primary_key.columns),
        set_={name: added.excluded[name] for name in answer},
        where=submissions.c.submitted_at < since,
    )
    return (await tx.execute(kept.returning(submissions.c.key))).one_or_none() is not None


async def delete_submissions(tx: Tx, *, before: datetime) -> None:
    """Forget the answers that were kept before a time."""
    await tx.execute(sa.delete(submissions).where(submissions.c.submitted_at < before))


async def select_descriptions(tx: Tx, job_ids: Sequence[int]) -> list[Submitted]:
    """Return what was submitted for these jobs: job id, text, document, parametric values, and what retries changed."""
    statement = (
        sa.select(
            jobs.c.job_id, job_descriptions.c.jdl, job_descriptions.c.document, jobs.c.parameters, jobs.c.overrides
        )
        .join(job_descriptions, job_descriptions.c.description_id == jobs.c.description_id)
        .where(jobs.c.job_id == sa.any_(sa.literal(list(job_ids), sa.ARRAY(sa.BigInteger))))
        .order_by(jobs.c.job_id)
    )
    return await fetch_as(tx, Submitted, statement)
