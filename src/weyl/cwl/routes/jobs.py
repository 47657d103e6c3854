"""What a job runs, over HTTP."""

from typing import Any

from fastapi import APIRouter, Response

from weyl.cwl.errors import NoWorkflow
from weyl.cwl.queries.jobs import select_workflow_of_job
from weyl.cwl.routes.access import CurrentWorkflows, plain_json
from weyl.cwl.service.looks import graph_of_job
from weyl.jobs.policy import may_read
from weyl.kit.http import CurrentActor, Now

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}/graph", operation_id="jobs_get_graph", response_model=dict[str, Any])
async def get_graph_of_job(job_id: int, actor: CurrentActor, *, workflows: CurrentWorkflows, now: Now) -> Response:
    """Answer with the steps of the workflow that a job runs, and how far each has come."""
    async with workflows.db.read() as tx:
        permit = await may_read(tx, actor, [job_id])
        job = await select_workflow_of_job(tx, permit, job_id)
    if job is None or job.bundle_id is None:
        raise NoWorkflow(job_id)
    return plain_json(await graph_of_job(workflows, job, user=actor.subject, now=now))
