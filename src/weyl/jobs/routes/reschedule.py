"""Reschedule over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from weyl.config.routes import CurrentConfig
from weyl.jobs.routes.access import CurrentManager
from weyl.jobs.service.reschedule import reschedule
from weyl.kit.bounds import IDS_BYTES_MAX, Ids
from weyl.kit.http import Now, WriteTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.post(
    "/reschedule", operation_id="jobs_reschedule_jobs", response_model=dict[str, Any], max_body_size=IDS_BYTES_MAX
)
async def reschedule_jobs(
    job_ids: Annotated[Ids, Body(embed=True)],
    manager: CurrentManager,
    tx: WriteTx,
    config: CurrentConfig,
    now: Now,
    reset_jobs: bool = False,
) -> Response:
    """Run jobs again from their descriptions."""
    permit = await manager.admit_in(tx, job_ids)
    outcome = await reschedule(tx, permit, config=config, now=now, reset=reset_jobs)
    if outcome.success:
        return json_response(outcome.document())
    # Answered, not raised: the job that failed for being rescheduled once too often must be found so afterwards.
    return json_response({"detail": outcome.document()}, status=400)
