"""SQL that moves jobs from status to status: lock, change and record whole batches at once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from weyl.jobs.states import Change, HistoryRecord, JobState
from weyl.kit.db import Tx

IDEM = "idem"
"""What the history holds where a report left a field open."""

_LOCK = sa.text(
    "SELECT job_id, vo, site, status, start_exec_time, end_exec_time, submission_time, pilot_stamp, class_ids"
    " FROM jobs WHERE job_id = ANY(CAST(:job_ids AS bigint[])) ORDER BY job_id FOR NO KEY UPDATE"
)
# A statement of its own, after the lock: in the locking one it would see the history as it was before the wait.
_NEWEST = sa.text(
    "SELECT job.job_id, newest.at FROM unnest(CAST(:job_ids AS bigint[])) AS job (job_id)"
    " CROSS JOIN LATERAL (SELECT at FROM job_history WHERE job_history.job_id = job.job_id"
    "  ORDER BY at DESC LIMIT 1) AS newest"
)
_CHANGE = sa.text(
    "UPDATE jobs SET status = coalesce(change.status, jobs.status),"
    " minor_status = coalesce(change.minor_status, jobs.minor_status),"
    " application_status = coalesce(change.application_status, jobs.application_status),"
    " last_update_time = coalesce(change.last_update_time, jobs.last_update_time),"
    " start_exec_time = coalesce(change.start_exec_time, jobs.start_exec_time),"
    " end_exec_time = coalesce(change.end_exec_time, jobs.end_exec_time),"
    " heart_beat_time = coalesce(change.heart_beat_time, jobs.heart_beat_time)"
    " FROM unnest(CAST(:job_ids AS bigint[]), CAST(:statuses AS text[]), CAST(:minors AS text[]),"
    "  CAST(:applications AS text[]), CAST(:updated AS timestamptz[]), CAST(:started AS timestamptz[]),"
    "  CAST(:ended AS timestamptz[]), CAST(:heard AS timestamptz[]))"
    "  AS change (job_id, status, minor_status, application_status, last_update_time, start_exec_time,"
    "   end_exec_time, heart_beat_time)"
    " WHERE jobs.job_id = change.job_id"
)
_RECORD = sa.text(
    "INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)"
    " SELECT * FROM unnest(CAST(:job_ids AS bigint[]), CAST(:times AS timestamptz[]), CAST(:statuses AS text[]),"
    "  CAST(:minors AS text[]), CAST(:applications AS text[]), CAST(:sources AS text[]))"
)


async def lock_jobs(tx: Tx, job_ids: Iterable[int]) -> dict[int, sa.RowMapping]:
    """Lock jobs in the order of their ids and return what a change of status depends on."""
    rows = (await tx.execute(_LOCK, {"job_ids": list(job_ids)})).mappings()
    return {row["job_id"]: row for row in rows}


async def select_states(tx: Tx, rows: Mapping[int, sa.RowMapping]) -> dict[int, JobState]:
    """Return where locked jobs stand; a job without history is as old as its submission."""
    newest = {row.job_id: row.at for row in await tx.execute(_NEWEST, {"job_ids": list(rows)})}
    return {
        job_id: JobState(
            status=row["status"],
            # The driver has the last instant of the calendar, which is its infinity, without a zone.
            last=newest.get(job_id, row["submission_time"]).replace(tzinfo=UTC),
            start_exec_time=row["start_exec_time"],
            end_exec_time=row["end_exec_time"],
        )
        for job_id, row in rows.items()
    }


async def update_jobs(tx: Tx, changes: Mapping[int, Change]) -> None:
    """Write the columns that changed; what is None stays."""
    await tx.execute(
        _CHANGE,
        {
            "job_ids": list(changes),
            "statuses": [change.status for change in changes.values()],
            "minors": [change.minor_status for change in changes.values()],
            "applications": [change.application_status for change in changes.values()],
            "updated": [change.last_update_time for change in changes.values()],
            "started": [change.start_exec_time for change in changes.values()],
            "ended": [change.end_exec_time for change in changes.values()],
            "heard": [change.heart_beat_time for change in changes.values()],
        },
    )


async def insert_history(tx: Tx, entries: Sequence[tuple[int, HistoryRecord]]) -> None:
    """Add to the history of jobs; open fields are kept open, so that a late report may still fill them."""
    await tx.execute(
        _RECORD,
        {
            "job_ids": [job_id for job_id, _ in entries],
            "times": [record.at for _, record in entries],
            "statuses": [record.status or IDEM for _, record in entries],
            "minors": [record.minor_status or IDEM for _, record in entries],
            "applications": [record.application_status or IDEM for _, record in entries],
            "sources": [record.source for _, record in entries],
        },
    )


_HISTORY = sa.text(
    "SELECT job_id, at, status, minor_status, application_status, source FROM job_history"
    " WHERE job_id = ANY(CAST(:job_ids AS bigint[])) ORDER BY job_id, at, history_id"
)


async def select_history(tx: Tx, job_ids: Sequence[int]) -> dict[int, list[HistoryRecord]]:
    """Return the history of jobs, oldest first, with open fields as None."""
    found: dict[int, list[HistoryRecord]] = {}
    for job_id, at, status, minor, application, source in await tx.execute(_HISTORY, {"job_ids": list(job_ids)}):
        record = HistoryRecord(at, _open(status), _open(minor), _open(application), source)
        found.setdefault(job_id, []).append(record)
    return found


def _open(text: str) -> str | None:
    return None if text == IDEM else text


_HEARD = sa.text("UPDATE jobs SET heart_beat_time = :now WHERE job_id = ANY(CAST(:job_ids AS bigint[]))").bindparams(
    sa.bindparam("now", type_=sa.DateTime(timezone=True))
)


async def update_heart_beat_times(tx: Tx, job_ids: Sequence[int], now: datetime) -> None:
    """Note a sign of life of locked jobs."""
    await tx.execute(_HEARD, {"job_ids": list(job_ids), "now": now})
