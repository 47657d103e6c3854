"""Status reports over HTTP, and the two that people send most: kill and delete."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from weyl.jobs.errors import NothingChanged
from weyl.jobs.models.status import SetJobStatusReturn, StatusReports
from weyl.jobs.policy import may_force
from weyl.jobs.reports import read_reports
from weyl.jobs.routes.access import CurrentManager, Writes
from weyl.jobs.service import commands
from weyl.jobs.service.status import Outcome, StatusRequest
from weyl.kit.bounds import IDS_BYTES_MAX, REPORTS_BYTES_MAX, Ids
from weyl.kit.http import CurrentUser, Now, WriteTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

JobIds = Annotated[Ids, Body(embed=True)]


@router.patch(
    "/status",
    operation_id="jobs_set_job_statuses",
    response_model=SetJobStatusReturn,
    max_body_size=REPORTS_BYTES_MAX,
)
async def set_job_statuses(
    reports: StatusReports, manager: CurrentManager, writes: Writes, now: Now, force: bool = False
) -> Response:
    """Report statuses of jobs, each dated between the year 2000 and one day from now."""
    forcer = may_force(manager.user) if force else None
    dated = read_reports(reports, now)
    permit = await manager.admit(dated)
    is_of_run = manager.user.kind != "user"
    request = StatusRequest(permit, dated, now, forcer=forcer, is_of_run=is_of_run)
    return _answer(await writes.set_statuses(request))


@router.post("/kill", operation_id="jobs_kill_jobs", response_model=SetJobStatusReturn, max_body_size=IDS_BYTES_MAX)
async def kill_jobs(job_ids: JobIds, user: CurrentUser, manager: CurrentManager, tx: WriteTx, now: Now) -> Response:
    """Kill jobs: those that wait leave the queue, those that run get the command with their next heartbeat."""
    permit = await manager.admit_in(tx, job_ids)
    return _answer(await commands.kill(tx, permit, now=now, source=f"User: {user.preferred_username}"))


@router.post("/delete", operation_id="jobs_delete_jobs", response_model=SetJobStatusReturn, max_body_size=IDS_BYTES_MAX)
async def delete_jobs(job_ids: JobIds, user: CurrentUser, manager: CurrentManager, tx: WriteTx, now: Now) -> Response:
    """Delete jobs; those that live are killed first."""
    permit = await manager.admit_in(tx, job_ids)
    return _answer(await commands.delete(tx, permit, now=now, source=f"User: {user.preferred_username}"))


def _answer(outcome: Outcome) -> Response:
    document = outcome.document()
    if not outcome.success:
        raise NothingChanged(document)
    return json_response(document)
