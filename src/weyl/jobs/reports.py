"""Status reports from the wire's form into the machine's: every time with a zone, every job with a report."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from weyl.jobs.models.status import JobStatusUpdate, StatusReports
from weyl.jobs.retries import error_class_of
from weyl.jobs.states import Report
from weyl.kit.errors import BadRequest

AHEAD_MAX = timedelta(days=1)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)


def read_reports(reports: StatusReports, now: datetime) -> Mapping[int, list[Report]]:
    """Return the reports of each job; raises `BadRequest` for all of them if one cannot be dated."""
    return {job_id: _of_job(job_id, updates, now) for job_id, updates in reports.items()}


def _of_job(job_id: int, updates: Mapping[datetime, JobStatusUpdate], now: datetime) -> list[Report]:
    if not updates:
        raise BadRequest(f"Job {job_id} has no report: give at least one, under its time")
    return [
        Report(
            _in_utc(job_id, at, now),
            update.status,
            update.minor_status,
            update.application_status,
            update.source,
            error_class_of(update.error_class),
        )
        for at, update in updates.items()
    ]


def _in_utc(job_id: int, at: datetime, now: datetime) -> datetime:
    if at.tzinfo is None:
        # The contract's sentence, word for word: clients compare it.
        raise BadRequest(f"Timestamp {at} is not timezone aware for job {job_id}")
    if not OLDEST <= at <= now + AHEAD_MAX:
        raise BadRequest(
            f"The time {at.isoformat()} is before {OLDEST.year} or more than a day in the future: "
            "check the clock of the node"
        )
    return at.astimezone(UTC)
