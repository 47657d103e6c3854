"""Which sandboxes jobs have: the routes that need a permit on the job."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from weyl.jobs.policy import may_read
from weyl.jobs.queries.access import select_access
from weyl.jobs.routes.access import CurrentManager
from weyl.kit.bounds import IDS_BYTES_MAX, Ids
from weyl.kit.db import Tx
from weyl.kit.http import CurrentActor, CurrentUser, ReadTx, User, WriteTx
from weyl.sandboxes import service
from weyl.sandboxes.models import PFN_LENGTH_MAX, PFN_PATTERN, SandboxType

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.post(
    "/sandbox/unassign", operation_id="jobs_unassign_bulk_jobs_sandboxes", status_code=204, max_body_size=IDS_BYTES_MAX
)
async def unassign_bulk_jobs_sandboxes(
    user: CurrentUser, manager: CurrentManager, tx: WriteTx, job_ids: Annotated[Ids, Body(embed=True)]
) -> Response:
    """Take all sandboxes from these jobs."""
    permit = await manager.admit_in(tx, job_ids)
    permit.all_exist()
    await service.unassign(tx, list(permit.runs))
    return Response(status_code=204)


@router.get("/{job_id}/sandbox", operation_id="jobs_get_job_sandboxes")
async def get_job_sandboxes(actor: CurrentActor, tx: ReadTx, job_id: int) -> dict[str, list[Any]]:
    """Answer with the names of the job's input and output sandboxes."""
    return await _readable(tx, actor, job_id)


@router.get("/{job_id}/sandbox/{sandbox_type}", operation_id="jobs_get_job_sandbox")
async def get_job_sandbox(actor: CurrentActor, tx: ReadTx, job_id: int, sandbox_type: SandboxType) -> list[Any]:
    """Answer with the names of the job's sandboxes of one kind."""
    return (await _readable(tx, actor, job_id))[sandbox_type.capitalize()]


async def _readable(tx: Tx, user: User, job_id: int) -> dict[str, list[Any]]:
    """Return the sandboxes of a job: none of one that an administrator asks for and that does not exist."""
    permit = await may_read(tx, user, [job_id])
    found = await service.job_sandboxes(tx, list(permit.job_ids))
    return found.get(job_id, {"Input": [], "Output": []})


@router.patch("/{job_id}/sandbox/output", operation_id="jobs_assign_sandbox_to_job")
async def assign_sandbox_to_job(
    manager: CurrentManager,
    tx: WriteTx,
    job_id: int,
    pfn: Annotated[str, Body(max_length=PFN_LENGTH_MAX, pattern=PFN_PATTERN)],
) -> None:
    """Give the job an output sandbox, which must be in the area of the job's owner."""
    permit = await manager.admit_in(tx, [job_id])
    permit.all_exist()
    permit.all_run()
    job = (await select_access(tx, [job_id], None))[job_id]
    await service.assign_output(tx, job_id, pfn=pfn, owner=(job.vo, job.owner))


@router.delete("/{job_id}/sandbox", operation_id="jobs_unassign_job_sandboxes")
async def unassign_job_sandboxes(user: CurrentUser, manager: CurrentManager, tx: WriteTx, job_id: int) -> None:
    """Take all sandboxes from the job."""
    permit = await manager.admit_in(tx, [job_id])
    permit.all_exist()
    await service.unassign(tx, [job_id])
