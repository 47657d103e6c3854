"""What is known of one job beside its columns."""

from typing import Any

from fastapi import APIRouter, Response

from weyl.descriptions.parametric import fill
from weyl.jobs.models.search import LoggingRecord
from weyl.jobs.policy import may_read
from weyl.jobs.queries.heartbeat import select_parameters
from weyl.jobs.queries.status import select_history
from weyl.jobs.queries.submission import select_descriptions
from weyl.jobs.routes.access import Rules
from weyl.jobs.service.search import wire_history
from weyl.kit.http import CurrentActor, ReadTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}/parameters", operation_id="jobs_get_job_parameters", response_model=dict[str, Any])
async def get_job_parameters(job_id: int, actor: CurrentActor, *, tx: ReadTx, rules: Rules) -> Response:
    """Answer with the parameters of a job by name, attributes that extensions have added among them."""
    permit = await may_read(tx, actor, [job_id])
    parameters = await select_parameters(tx, permit.one(job_id))
    if rules.attributes:
        [row] = await select_descriptions(tx, [job_id])
        parameters |= rules.shown(fill(row.document, row.parameters, job_id))
    return json_response(parameters)


@router.get("/{job_id}/history", operation_id="jobs_get_job_history", response_model=list[LoggingRecord])
async def get_job_history(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the statuses that a job has had, oldest first."""
    permit = await may_read(tx, actor, [job_id])
    return json_response(wire_history((await select_history(tx, [permit.one(job_id)])).get(job_id, ())))
