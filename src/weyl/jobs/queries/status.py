"""SQL that moves jobs from status to status: lock, change and record whole batches at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from weyl.jobs.queries.reschedule import Run
from weyl.jobs.states import REGISTERED, WANTED, Change, HistoryRecord, JobState
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

IDEM = "idem"
"""What the history holds where a report left a field open."""


class Locked(NamedTuple):
    """A locked job: what a change of status depends on."""

    job_id: int
    vo: str
    site: str
    status: str
    start_exec_time: datetime | None
    end_exec_time: datetime | None
    submission_time: datetime
    pilot_stamp: str | None
    class_ids: list[int]
    output_state: str | None


_LOCK = Sql(
    """
    SELECT job_id, vo, site, status, start_exec_time, end_exec_time, submission_time, pilot_stamp, class_ids,
      output_state
    FROM jobs WHERE job_id = ANY(:job_ids) ORDER BY job_id FOR NO KEY UPDATE
    """,
    Locked,
)
_NEWEST = Sql(
    """
    -- a statement of its own, after the lock: in the locking one it would see the history as it was before the wait
    SELECT job.job_id, newest.at FROM unnest(CAST(:job_ids AS bigint[])) AS job (job_id)
    CROSS JOIN LATERAL (
      SELECT at FROM job_history WHERE job_history.job_id = job.job_id ORDER BY at DESC LIMIT 1
    ) AS newest
    """,
    tuple[int, datetime],
)
_CHANGE = Sql(
    """
    UPDATE jobs SET status = coalesce(change.status, jobs.status),
      minor_status = coalesce(change.minor_status, jobs.minor_status),
      application_status = coalesce(change.application_status, jobs.application_status),
      last_update_time = coalesce(change.last_update_time, jobs.last_update_time),
      start_exec_time = coalesce(change.start_exec_time, jobs.start_exec_time),
      end_exec_time = coalesce(change.end_exec_time, jobs.end_exec_time),
      heart_beat_time = coalesce(change.heart_beat_time, jobs.heart_beat_time)
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:statuses AS text[]), CAST(:minors AS text[]),
        CAST(:applications AS text[]), CAST(:updated AS timestamptz[]), CAST(:started AS timestamptz[]),
        CAST(:ended AS timestamptz[]), CAST(:heard AS timestamptz[]))
      AS change (job_id, status, minor_status, application_status, last_update_time, start_exec_time,
        end_exec_time, heart_beat_time)
    WHERE jobs.job_id = change.job_id
    """
)
_RECORD = Sql(
    """
    INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)
    SELECT * FROM unnest(CAST(:job_ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:statuses AS text[]),
      CAST(:minors AS text[]), CAST(:applications AS text[]), CAST(:sources AS text[]))
    """
)


async def lock_jobs(tx: Tx, job_ids: Iterable[int]) -> dict[int, Locked]:
    """Lock jobs in the order of their ids and return what a change of status depends on."""
    return {row.job_id: row for row in await _LOCK.rows(tx, job_ids=list(job_ids))}


async def select_states(tx: Tx, rows: Mapping[int, Locked | Run]) -> dict[int, JobState]:
    """Return where locked jobs stand; a job without history is as old as its submission."""
    newest = dict(await _NEWEST.rows(tx, job_ids=list(rows)))
    return {
        job_id: JobState(
            status=row.status,
            # The driver has the last instant of the calendar, which is its infinity, without a zone.
            last=newest.get(job_id, row.submission_time).replace(tzinfo=UTC),
            start_exec_time=row.start_exec_time,
            end_exec_time=row.end_exec_time,
            wants_outputs=row.output_state == WANTED,
            has_outputs=row.output_state == REGISTERED,
        )
        for job_id, row in rows.items()
    }


async def update_jobs(tx: Tx, changes: Mapping[int, Change]) -> None:
    """Write the columns that changed; what is None stays."""
    await _CHANGE.run(
        tx,
        job_ids=list(changes),
        statuses=[change.status for change in changes.values()],
        minors=[change.minor_status for change in changes.values()],
        applications=[change.application_status for change in changes.values()],
        updated=[change.last_update_time for change in changes.values()],
        started=[change.start_exec_time for change in changes.values()],
        ended=[change.end_exec_time for change in changes.values()],
        heard=[change.heart_beat_time for change in changes.values()],
    )


async def insert_history(tx: Tx, entries: Sequence[tuple[int, HistoryRecord]]) -> None:
    """Add to the history of jobs; open fields are kept open, so that a late report may still fill them."""
    await _RECORD.run(
        tx,
        job_ids=[job_id for job_id, _ in entries],
        times=[record.at for _, record in entries],
        statuses=[record.status or IDEM for _, record in entries],
        minors=[record.minor_status or IDEM for _, record in entries],
        applications=[record.application_status or IDEM for _, record in entries],
        sources=[record.source for _, record in entries],
    )


_HISTORY = Sql(
    """
    SELECT job_id, at, status, minor_status, application_status, source FROM job_history
    WHERE job_id = ANY(:job_ids) ORDER BY job_id, at, history_id
    """,
    tuple[int, datetime, str, str, str, str],
)


async def select_history(tx: Tx, job_ids: Sequence[int]) -> dict[int, list[HistoryRecord]]:
    """Return the history of jobs, oldest first, with open fields as None."""
    found: dict[int, list[HistoryRecord]] = {}
    for job_id, at, status, minor, application, source in await _HISTORY.rows(tx, job_ids=job_ids):
        record = HistoryRecord(at, _open(status), _open(minor), _open(application), source)
        found.setdefault(job_id, []).append(record)
    return found


def _open(text: str) -> str | None:
    return None if text == IDEM else text


_HEARD = Sql("UPDATE jobs SET heart_beat_time = :now WHERE job_id = ANY(:job_ids)")


async def update_heart_beat_times(tx: Tx, job_ids: Sequence[int], now: datetime) -> None:
    """Note a sign of life of locked jobs."""
    await _HEARD.run(tx, job_ids=job_ids, now=now)
