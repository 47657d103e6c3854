"""The client's calls that change what becomes of jobs."""

from collections.abc import Sequence
from typing import Any

from weyl.jobs.models.status import SetJobStatusReturn, StatusReports
from weyl.kit.call import Call


def set_statuses(reports: StatusReports, *, force: bool = False) -> Call[SetJobStatusReturn]:
    """Report statuses, dated, of many jobs; the same report twice is one."""
    body = {
        str(job_id): {
            at.isoformat(): update.model_dump(by_alias=True, exclude_none=True, mode="json")
            for at, update in updates.items()
        }
        for job_id, updates in reports.items()
    }
    query = {"force": True} if force else {}
    return Call("PATCH", "/api/jobs/status", SetJobStatusReturn, query=query, body=body, repeatable=True)


def kill(job_ids: Sequence[int]) -> Call[SetJobStatusReturn]:
    """Ask to end jobs, wherever they are."""
    return Call("POST", "/api/jobs/kill", SetJobStatusReturn, body={"job_ids": list(job_ids)}, repeatable=True)


def delete(job_ids: Sequence[int]) -> Call[SetJobStatusReturn]:
    """Ask to remove jobs; those that live are killed first."""
    return Call("POST", "/api/jobs/delete", SetJobStatusReturn, body={"job_ids": list(job_ids)}, repeatable=True)


def reschedule(job_ids: Sequence[int], *, reset: bool = False) -> Call[dict[str, Any]]:
    """Ask to run jobs again from their descriptions."""
    return Call(
        "POST",
        "/api/jobs/reschedule",
        dict[str, Any],
        query={"reset_jobs": reset},
        body={"job_ids": list(job_ids)},
    )
