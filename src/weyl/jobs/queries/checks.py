"""SQL of the checks between submission and waiting; every statement takes a whole batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.jobs.ranges import Ranges
from weyl.jobs.tables import jobs
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql


class Unchecked(NamedTuple):
    """A job that is not checked yet."""

    job_id: int
    description_id: int
    vo: str
    owner: str
    owner_group: str
    overrides: Document | None


class LockedJob(NamedTuple):
    """A job that is locked, and still not checked."""

    job_id: int
    description_id: int
    vo: str
    status: str
    minor_status: str
    overrides: Document | None


_READ = Sql(
    """
    SELECT jobs.job_id, description_id, jobs.vo, owner, owner_group, overrides
    FROM jobs
    JOIN unnest(CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[])) AS wanted (first, last)
      ON jobs.job_id BETWEEN first AND last
    LEFT JOIN job_holds AS hold ON hold.job_id = jobs.job_id
    WHERE status IN ('Received', 'Checking')
      -- What is held is looked at when its time has come or somebody has woken it: a task that comes late does nothing.
      AND (hold.job_id IS NULL OR hold.woken_at IS NOT NULL OR hold.hold_until <= :now)
    ORDER BY jobs.job_id
    """,
    Unchecked,
)
_LOCK = Sql(
    """
    SELECT job_id, description_id, vo, status, minor_status, overrides FROM jobs
    WHERE job_id = ANY(:job_ids) AND status IN ('Received', 'Checking') ORDER BY job_id FOR UPDATE
    """,
    LockedJob,
)
_DOCUMENTS = Sql(
    "SELECT description_id, document FROM job_descriptions WHERE description_id = ANY(:description_ids)",
    tuple[int, Document],
)


async def select_unchecked(tx: Tx, ranges: Ranges, now: datetime) -> list[Unchecked]:
    """Return those jobs of the ranges that are not checked yet and not held now."""
    return await _READ.rows(tx, firsts=[first for first, _ in ranges], lasts=[last for _, last in ranges], now=now)


async def lock_unchecked(tx: Tx, job_ids: Sequence[int]) -> list[LockedJob]:
    """Lock and return those jobs that nobody has moved on meanwhile."""
    return await _LOCK.rows(tx, job_ids=job_ids)


async def select_documents(tx: Tx, description_ids: Sequence[int]) -> dict[int, Document]:
    """Return the documents of descriptions by id."""
    return dict(await _DOCUMENTS.rows(tx, description_ids=description_ids))


async def select_parameters(tx: Tx, job_ids: Sequence[int]) -> dict[int, Document]:
    """Return the parametric values of jobs by id."""
    statement = sa.select(jobs.c.job_id, jobs.c.parameters).where(
        jobs.c.job_id == sa.any_(sa.literal(list(job_ids), ARRAY(sa.BigInteger))), jobs.c.parameters.is_not(None)
    )
    return {row.job_id: row.parameters for row in await tx.execute(statement)}


_CHANGE = Sql(
    """
    UPDATE jobs SET status = done.status, minor_status = done.minor_status,
      application_status = done.application_status, class_ids = done.class_ids, last_update_time = :now,
      input_set_id = done.input_set_id,
      end_exec_time = CASE WHEN done.status = 'Failed' THEN :now ELSE end_exec_time END
    FROM (
      SELECT job_id, status, minor_status, application_status, CAST(class_ids AS integer[]) AS class_ids, input_set_id
      FROM unnest(CAST(:job_ids AS bigint[]), CAST(:outcomes AS integer[]), CAST(:class_ids AS text[]),
          CAST(:input_sets AS bigint[]))
        AS job (job_id, outcome, class_ids, input_set_id)
      JOIN unnest(CAST(:statuses AS text[]), CAST(:minors AS text[]), CAST(:applications AS text[])) WITH ORDINALITY
        AS result (status, minor_status, application_status, outcome) USING (outcome)
    ) AS done
    WHERE jobs.job_id = done.job_id
    """
)


async def update_checked(
    tx: Tx,
    changes: Sequence[tuple[int, int, Sequence[int], int | None]],
    *,
    outcomes: Sequence[tuple[str, str, str]],
    now: datetime,
) -> None:
    """Set the outcome of checked jobs: (job, number of the outcome from one, classes, set of input files).

    Outcomes are three statuses.
    """
    await _CHANGE.run(
        tx,
        job_ids=[job_id for job_id, _, _, _ in changes],
        outcomes=[outcome for _, outcome, _, _ in changes],
        class_ids=[f"{{{','.join(map(str, class_ids))}}}" for _, _, class_ids, _ in changes],
        input_sets=[input_set_id for _, _, _, input_set_id in changes],
        statuses=[status for status, _, _ in outcomes],
        minors=[minor for _, minor, _ in outcomes],
        applications=[application for _, _, application in outcomes],
        now=now,
    )


_RECORD = Sql(
    """
    INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)
    SELECT job_id, at, status, minor_status, application_status, source
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:records AS integer[])) AS job (job_id, record)
    JOIN unnest(CAST(:times AS timestamptz[]), CAST(:statuses AS text[]), CAST(:minors AS text[]),
        CAST(:applications AS text[]), CAST(:sources AS text[])) WITH ORDINALITY
      AS entry (at, status, minor_status, application_status, source, record) USING (record)
    ORDER BY job_id, at
    """
)


async def insert_records(
    tx: Tx, job_records: Sequence[tuple[int, int]], *, records: Sequence[tuple[datetime, str, str, str, str]]
) -> None:
    """Add to the history of jobs: (job, number of its record from one); a record is time, statuses, source."""
    times, statuses, minors, applications, sources = zip(*records, strict=True)
    await _RECORD.run(
        tx,
        job_ids=[job_id for job_id, _ in job_records],
        records=[record for _, record in job_records],
        times=times,
        statuses=statuses,
        minors=minors,
        applications=applications,
        sources=sources,
    )


_WARN = Sql(
    """
    INSERT INTO job_parameters (job_id, name, value)
    SELECT job_id, :name, to_jsonb(text)
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:texts AS text[])) AS warning (job_id, text)
    ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value
    """
)


async def put_warnings(tx: Tx, warnings: Mapping[int, str], *, name: str) -> None:
    """Keep what the checks found odd, as a parameter of each job."""
    await _WARN.run(tx, name=name, job_ids=list(warnings), texts=list(warnings.values()))
