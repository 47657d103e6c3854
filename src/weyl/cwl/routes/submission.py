"""Submission in CWL over HTTP, and the texts that were submitted."""

import asyncio
from json import JSONDecodeError
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from weyl.config.routes import CurrentConfig
from weyl.cwl.inputs import NotJSON
from weyl.cwl.models.bundles import StoredText
from weyl.cwl.models.submission import CWLSubmission, Rehearsal
from weyl.cwl.policy import may_push, may_read_workflows
from weyl.cwl.problems import problem
from weyl.cwl.routes.access import CurrentWorkflows, plain_json
from weyl.cwl.sent_body import LATER, NotAvailable, SentBody, read_body
from weyl.cwl.service import bundles
from weyl.cwl.service.rehearsal import rehearsal
from weyl.cwl.service.submission import CWLJobs, refusal, submit
from weyl.jobs.models.submission import InsertedJSONJob
from weyl.jobs.policy import may_submit
from weyl.jobs.routes.submission import RepeatKey
from weyl.jobs.service.storing import MINOR_STATUS, STATUS, Submitted
from weyl.kit.bounds import SUBMISSION_BYTES_MAX, Name
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_THREAD_FROM_BYTES = 64 * 1024
# What a manifest is stands among the schemas already: files are pushed, too.
_SCHEMA = CWLSubmission.model_json_schema(ref_template="#/components/schemas/{model}")
_SCHEMA.pop("$defs")
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
_REHEARSED: dict[int | str, dict[str, Any]] = {
    200: {"description": "What it would make, of a dry run", "model": Rehearsal},
}


async def sent_body(request: Request) -> SentBody:
    """Return the submission in the body; its inputs are not made objects of."""
    body = await request.body()
    try:
        return read_body(body) if len(body) < _THREAD_FROM_BYTES else await asyncio.to_thread(read_body, body)
    except NotAvailable as error:
        raise refusal([problem("not-available", str(error), f"/{LATER}")]) from None
    except JSONDecodeError as error:
        where = {"loc": ("body", error.pos), "input": None, "ctx": {"error": error.msg}}
        fault = {"type": "json_invalid", "msg": f"JSON decode error: {error.msg}", **where}
        raise RequestValidationError([fault]) from error
    except ValidationError as error:
        faults = [{**found, "loc": ("body", *found["loc"])} for found in error.errors()]
        raise RequestValidationError(faults) from error


@router.post(
    "/",
    operation_id="jobs_submit_cwl_jobs",
    status_code=201,
    response_model=list[InsertedJSONJob],
    responses=_REHEARSED,
    openapi_extra=_BODY,
    max_body_size=SUBMISSION_BYTES_MAX,
)
async def submit_cwl_jobs(
    user: CurrentUser,
    *,
    sent: Annotated[SentBody, Depends(sent_body)],
    workflows: CurrentWorkflows,
    config: CurrentConfig,
    now: Now,
    key: RepeatKey,
) -> Response:
    """Submit jobs of a workflow: one for each input object, each number of a range, or each step of scattered lists.

    With `dry_run` nothing is stored, and the answer says what the jobs would be and where they could run.
    """
    wanted = CWLJobs(sent, may_submit(user), may_push(user), key)
    try:
        if sent.order.dry_run:
            return plain_json(await rehearsal(workflows, wanted, config=config, now=now))
        return json_response(_inserted(await submit(workflows, wanted, config=config, now=now)), status=201)
    except NotJSON as error:
        # Input objects are read when they are needed: what is wrong with one shows only here.
        fault = {"type": "json_invalid", "loc": ("body", "inputs"), "msg": f"JSON decode error: {error}", "input": None}
        raise RequestValidationError([fault]) from error


def _inserted(submitted: Submitted) -> list[dict[str, Any]]:
    answer = {"Status": STATUS, "MinorStatus": MINOR_STATUS, "TimeStamp": submitted.at}
    # All jobs of a submission are told the same.
    told = submitted.warnings[0] if submitted.warnings else ()
    return [{"JobID": job_id, **answer, "Warnings": told} for job_id in submitted.job_ids]


@router.get("/workflows/{workflow_id}", operation_id="jobs_get_workflow", response_model=StoredText)
async def get_workflow(workflow_id: Name, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the text of a workflow as it was submitted; of a bundle it is the entry."""
    reader = await may_read_workflows(tx, actor)
    source = await bundles.read(tx, await bundles.find(tx, reader, workflow_id))
    return plain_json({"workflow_id": workflow_id, "cwl": source.text()})
