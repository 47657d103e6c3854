"""Submission over HTTP, and what was submitted."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import FailFast, TypeAdapter, ValidationError

from weyl.config.routes import CurrentConfig
from weyl.jobs.descriptions import previewed, text_of_job
from weyl.jobs.errors import BadSubmission
from weyl.jobs.models.submission import CheckedJob, CheckedTexts, InsertedJob, InsertedJSONJob
from weyl.jobs.overrides import Overrides
from weyl.jobs.parametric import fill
from weyl.jobs.policy import may_read, may_submit
from weyl.jobs.queries.reschedule import select_attempts
from weyl.jobs.queries.submission import select_descriptions
from weyl.jobs.requirements import Limits, resolve
from weyl.jobs.routes.access import Rules
from weyl.jobs.service.submission import MINOR_STATUS, STATUS, Submission, Submitted, read_only, submit
from weyl.kit import json
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, WriteTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

T = TypeVar("T")

# The first fault is enough: a hundred thousand of them would take seconds to write down.
_TEXTS = TypeAdapter(Annotated[list[str], FailFast()])
_DOCUMENTS = TypeAdapter(Annotated[list[dict[str, Any]], FailFast()])
_KEY_LENGTH_MAX = 255
PREVIEWED_MAX = 10


def _body(item: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "array", "items": {"type": item}}}}
    return {"requestBody": {"required": True, "content": content}}


async def submitted_texts(request: Request) -> Sequence[str]:
    """Return the job descriptions of the body, validated in one go: it may be a hundred thousand of them."""
    return _validated(_TEXTS, await request.body())


async def submitted_documents(request: Request) -> Sequence[str]:
    """Return the job descriptions of the body, each as a text of its own; equal ones have equal texts."""
    return _written(_validated(_DOCUMENTS, await request.body()))


def _written(documents: Sequence[dict[str, Any]]) -> Sequence[str]:
    try:
        return [json.dumps_text(document) for document in documents]
    except TypeError as error:  # the body may have numbers of any size, and single surrogates
        raise BadSubmission(f"The descriptions cannot be kept: {error}") from error


def _validated(adapter: TypeAdapter[list[T]], body: bytes) -> list[T]:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise RequestValidationError([{**found, "loc": ("body", *found["loc"])} for found in error.errors()]) from error


async def idempotency_key(
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> str | None:
    """Return the key under which a repeated submission is known."""
    if idempotency_key is not None and not 1 <= len(idempotency_key) <= _KEY_LENGTH_MAX:
        raise BadSubmission(f"Idempotency-Key: must have 1 to {_KEY_LENGTH_MAX} characters")
    return idempotency_key


Key = Annotated[str | None, Depends(idempotency_key)]


@router.post(
    "/jdl",
    operation_id="jobs_submit_jdl_jobs",
    status_code=201,
    response_model=list[InsertedJob],
    openapi_extra=_body("string"),
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
    key: Key,
) -> Response:
    """Submit jobs: one description each, or one parametric description for many."""
    submission = Submission(texts, key, await request.body() if key is not None else b"")
    submitted = await submit(tx, submission, submitter=may_submit(user), config=config, now=now, rules=rules)
    return json_response(_inserted(submitted), status=201)


@router.post(
    "/json",
    operation_id="jobs_submit_json_jobs",
    status_code=201,
    response_model=list[InsertedJSONJob],
    openapi_extra=_body("object"),
)
async def submit_json_jobs(
    request: Request,
    user: CurrentUser,
    *,
    texts: Annotated[Sequence[str], Depends(submitted_documents)],
    tx: WriteTx,
    config: CurrentConfig,
    now: Now,
    rules: Rules,
    key: Key,
) -> Response:
    """Submit jobs described in JSON: the attributes of JDL, and `requirements` in full."""
    submission = Submission(texts, key, await request.body() if key is not None else b"", "json")
    submitted = await submit(tx, submission, submitter=may_submit(user), config=config, now=now, rules=rules)
    warnings = submitted.warnings or repeat(())
    answers = zip(_inserted(submitted), warnings, strict=False)
    return json_response([{**answer, "Warnings": told} for answer, told in answers], status=201)


@router.post("/check", operation_id="jobs_check_jobs", response_model=list[CheckedJob])
async def check_jobs(
    body: CheckedTexts, user: CurrentUser, *, tx: ReadTx, config: CurrentConfig, now: Now, rules: Rules
) -> Response:
    """Read job descriptions as a submission would, store nothing, and say whether something could run the jobs."""
    texts = body.jdl if body.json_ is None else _written(body.json_)
    submission = Submission(texts, form="jdl" if body.json_ is None else "json")
    prepared = await read_only(tx, submission, submitter=may_submit(user), config=config, now=now, rules=rules)
    described = (prepared.descriptions[index] for index in prepared.order)
    return json_response(
        [
            {
                "Jobs": description.count,
                "Warnings": description.warnings,
                "Requirements": [made.document["requirements"] for made in description.classes],
                "Preview": list(previewed(description, PREVIEWED_MAX)),
            }
            for description in described
        ]
    )


def _inserted(submitted: Submitted) -> list[dict[str, Any]]:
    answer = {"Status": STATUS, "MinorStatus": MINOR_STATUS, "TimeStamp": submitted.at}
    return [{"JobID": job_id, **answer} for job_id in submitted.job_ids]


@router.get("/{job_id}/jdl", operation_id="jobs_get_jdl", response_class=PlainTextResponse)
async def get_jdl(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the description of a job as it was submitted, a parametric job's with its own values."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    return PlainTextResponse(text_of_job(row["jdl"], row["document"], row["parameters"], job_id))


@router.get("/{job_id}/requirements", operation_id="jobs_get_requirements", response_model=dict[str, Any])
async def get_requirements(job_id: int, actor: CurrentActor, tx: ReadTx, *, config: CurrentConfig) -> Response:
    """Answer with what the job needs of a pilot: defaults of the VO filled in, and what retries have changed of it."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    document = fill(row["document"], row["parameters"], job_id)
    resolved = resolve(document, Limits.of(config.operations[actor.vo]))
    overrides = Overrides.read(row["overrides"])
    changed = replace(resolved, alternatives=tuple(map(overrides.applied, resolved.alternatives)))
    attempts = await select_attempts(tx, [job_id])
    return json_response({**changed.wire(), "overrides": row["overrides"], "attempts": attempts})
