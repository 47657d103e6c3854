"""The input object of a job that runs a workflow, and what the workflow puts out."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from weyl.jobs.models.outputs import MANIFEST_BYTES_MAX, JobOutputs
from weyl.jobs.policy import may_read
from weyl.jobs.queries.outputs import select_inputs
from weyl.jobs.routes.access import CurrentManager
from weyl.jobs.service import outputs as service
from weyl.kit.http import CurrentActor, Now, ReadTx, WriteTx, json_response, sent_by_nodes

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_AROUND_BYTES = 4_096
"""What a body has beside the manifest."""


@router.get("/{job_id}/input-object", operation_id="jobs_get_input_object", response_model=dict[str, Any])
async def get_input_object(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the input object of a job as it was submitted; `{}` if it has none."""
    permit = await may_read(tx, actor, [job_id])
    text = await select_inputs(tx, permit.one(job_id))
    return Response(text or "{}", media_type="application/json")


@router.put(
    "/{job_id}/outputs",
    operation_id="jobs_put_outputs",
    status_code=204,
    dependencies=[Depends(sent_by_nodes)],
    max_body_size=MANIFEST_BYTES_MAX + _AROUND_BYTES,
)
async def put_outputs(job_id: int, body: JobOutputs, manager: CurrentManager, *, tx: WriteTx, now: Now) -> Response:
    """Keep what the workflow of a job has put out; its files are in an output sandbox that the job has already."""
    permit = await manager.admit_in(tx, [job_id])
    await service.record(tx, permit, body, now=now)
    return Response(status_code=204)


@router.get("/{job_id}/outputs", operation_id="jobs_get_outputs", response_model=dict[str, Any])
async def get_outputs(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the CWL output object of a job that is Done: 404 before, 409 with the reason if it has failed."""
    permit = await may_read(tx, actor, [job_id])
    return json_response(await service.read(tx, permit, job_id))
