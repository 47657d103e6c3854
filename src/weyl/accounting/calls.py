"""The client's calls on accounting."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from weyl.accounting.models import Bucket, JobReport, JobSeries, JobSums, PilotReport, PilotSeries, PilotSums, Series
from weyl.kit.call import Call


def report_jobs(
    start: datetime,
    end: datetime,
    *,
    by: Sequence[str] = (),
    bucket: Bucket = "all",
    where: Mapping[str, Sequence[str]] | None = None,
) -> Call[list[JobSums]]:
    """Ask for sums of the jobs that ended in a period."""
    asked = JobReport.model_validate({"start": start, "end": end, "by": by, "bucket": bucket, "where": where or {}})
    return Call(
        "POST", "/api/accounting/jobs/report", list[JobSums], body=asked.model_dump(mode="json"), repeatable=True
    )


def report_pilots(
    start: datetime,
    end: datetime,
    *,
    by: Sequence[str] = (),
    bucket: Bucket = "all",
    where: Mapping[str, Sequence[str]] | None = None,
) -> Call[list[PilotSums]]:
    """Ask for sums of the pilots that ended in a period."""
    asked = PilotReport.model_validate({"start": start, "end": end, "by": by, "bucket": bucket, "where": where or {}})
    body = asked.model_dump(mode="json")
    return Call("POST", "/api/accounting/pilots/report", list[PilotSums], body=body, repeatable=True)


def plot_jobs(asked: JobSeries) -> Call[Series]:
    """Ask for a value of jobs over time."""
    body = asked.model_dump(mode="json")
    return Call("POST", "/api/accounting/jobs/series", Series, body=body, repeatable=True)


def plot_pilots(asked: PilotSeries) -> Call[Series]:
    """Ask for a value of pilots over time."""
    body = asked.model_dump(mode="json")
    return Call("POST", "/api/accounting/pilots/series", Series, body=body, repeatable=True)


def export(kind: str, start: datetime, end: datetime) -> Call[bytes]:
    """Ask for the records of a period as CSV; `kind` is `jobs` or `pilots`."""
    query = {"start": start.isoformat(), "end": end.isoformat()}
    return Call("GET", f"/api/accounting/{kind}/records", bytes, query=query)
