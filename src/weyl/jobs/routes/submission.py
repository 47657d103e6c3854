"""Submission over HTTP, and what was submitted."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import FailFast, TypeAdapter, ValidationError

from weyl.config.routes import CurrentConfig
from weyl.jobs.descriptions import text_of_job
from weyl.jobs.errors import BadSubmission
from weyl.jobs.models.submission import InsertedJob
from weyl.jobs.parametric import fill
from weyl.jobs.policy import may_read, may_submit
from weyl.jobs.queries.submission import select_descriptions
from weyl.jobs.requirements import Limits, resolve
from weyl.jobs.routes.access import Rules
from weyl.jobs.service.submission import MINOR_STATUS, STATUS, Submission, submit
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, WriteTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

# The first fault is enough: a hundred thousand of them would take seconds to write down.
_TEXTS = TypeAdapter(Annotated[list[str], FailFast()])
_KEY_LENGTH_MAX = 255
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}},
    }
}


async def submitted_texts(request: Request) -> Sequence[str]:
    """Return the job descriptions of the body, validated in one go: it may be a hundred thousand of them."""
    try:
        return _TEXTS.validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError([{**found, "loc": ("body", *found["loc"])} for found in error.errors()]) from error


@router.post(
    "/jdl",
    operation_id="jobs_submit_jdl_jobs",
    status_code=201,
    response_model=list[InsertedJob],
    openapi_extra=_BODY,
)
async def submit_jdl_jobs(
    request: Request,
    user: CurrentUser,
    *,
    texts: Annotated[Sequence[str], Depends(submitted_texts)],
    tx: WriteTx,
    config: CurrentConfig,
    now: Now,
    rules: Rules,
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Submit jobs: one description each, or one parametric description for many."""
    submitter = may_submit(user)
    if idempotency_key is not None and not 1 <= len(idempotency_key) <= _KEY_LENGTH_MAX:
        raise BadSubmission(f"Idempotency-Key: must have 1 to {_KEY_LENGTH_MAX} characters")
    submitted = await submit(
        tx,
        Submission(texts, idempotency_key, await request.body() if idempotency_key is not None else b""),
        submitter=submitter,
        config=config,
        now=now,
        rules=rules,
    )
    answer = {"Status": STATUS, "MinorStatus": MINOR_STATUS, "TimeStamp": submitted.at}
    return json_response([{"JobID": job_id, **answer} for job_id in submitted.job_ids], status=201)


@router.get("/{job_id}/jdl", operation_id="jobs_get_jdl", response_class=PlainTextResponse)
async def get_jdl(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the description of a job as it was submitted, a parametric job's with its own values."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    return PlainTextResponse(text_of_job(row["jdl"], row["document"], row["parameters"], job_id))


@router.get("/{job_id}/requirements", operation_id="jobs_get_requirements", response_model=dict[str, Any])
async def get_requirements(job_id: int, actor: CurrentActor, tx: ReadTx, *, config: CurrentConfig) -> Response:
    """Answer with what the job needs of a pilot, defaults of the VO filled in."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    document = fill(row["document"], row["parameters"], job_id)
    resolved = resolve(document, Limits.of(config.operations[actor.vo]))
    return json_response(
        {"requirements": resolved.requirements, "sites": resolved.sites, "banned_sites": resolved.banned_sites}
    )
