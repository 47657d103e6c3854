"""The client's calls that change what becomes of jobs."""

from collections.abc import Sequence
from typing import Any

from weyl.jobs.models.bulk import BulkOrder, BulkPlan
from weyl.jobs.models.status import SetJobStatusReturn, StatusReports
from weyl.kit.call import Call
from weyl.tasks.models import OperationStarted


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


def plan_bulk(order: BulkOrder) -> Call[BulkPlan]:
    """Ask what an order about many jobs would do."""
    return Call("POST", "/api/jobs/bulk", BulkPlan, body=_body(order, None), repeatable=True)


def confirm_bulk(order: BulkOrder, plan_token: str) -> Call[OperationStarted]:
    """Ask for what was planned to be done, in the background; sent twice it is done once."""
    return Call("POST", "/api/jobs/bulk", OperationStarted, body=_body(order, plan_token), repeatable=True)


def _body(order: BulkOrder, plan_token: str | None) -> dict[str, Any]:
    body = order.model_dump(mode="json", exclude_none=True, exclude={"plan_token"})
    return body if plan_token is None else {**body, "plan_token": plan_token}
