"""Status reports from the wire's form into the machine's: every time with a zone, every job with a report."""

from collections.abc import Mapping
from datetime import UTC, datetime

from weyl.jobs.models.status import JobStatusUpdate, StatusReports
from weyl.jobs.retries import error_class_of
from weyl.jobs.states import Report
from weyl.kit.errors import BadRequest


def read_reports(reports: StatusReports) -> Mapping[int, list[Report]]:
    """Return the reports of each job; raises `BadRequest` for all of them if one cannot be dated."""
    return {job_id: _of_job(job_id, updates) for job_id, updates in reports.items()}


def _of_job(job_id: int, updates: Mapping[datetime, JobStatusUpdate]) -> list[Report]:
    if not updates:
        raise BadRequest(f"Job {job_id} has no report: give at least one, under its time")
    return [
        Report(
            _in_utc(at),
            update.status,
            update.minor_status,
            update.application_status,
            update.source,
            error_class_of(update.error_class),
        )
        for at, update in updates.items()
    ]


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise BadRequest(f"The time {at.isoformat()} has no time zone: add Z or an offset")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise BadRequest(f"The time {at.isoformat()} is outside the calendar") from None
