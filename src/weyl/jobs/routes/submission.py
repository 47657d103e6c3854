"""Submission over HTTP, and what was submitted."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from json import JSONDecodeError
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import TypeAdapter, ValidationError

from weyl.config.routes import CurrentConfig
from weyl.descriptions.description import Description
from weyl.descriptions.errors import BadSubmission
from weyl.descriptions.overrides import Overrides
from weyl.descriptions.parametric import fill
from weyl.descriptions.requirements import Limits, resolve
from weyl.descriptions.texts import previewed, text_of_job
from weyl.jobs.models.submission import (
    DOCUMENT_LENGTH_MAX,
    JDL,
    JDL_LENGTH_MAX,
    CheckedJob,
    CheckedTexts,
    InsertedJob,
    InsertedJSONJob,
    JobDocument,
)
from weyl.jobs.policy import may_read, may_submit
from weyl.jobs.queries.reschedule import select_attempts
from weyl.jobs.queries.submission import select_descriptions
from weyl.jobs.routes.access import Rules
from weyl.jobs.service.storing import MINOR_STATUS, STATUS, RequestKey, Submitted
from weyl.jobs.service.submission import Submission, read_only, submit
from weyl.kit import json
from weyl.kit.bounds import IDS_MAX, REPORTS_BYTES_MAX, SUBMISSION_BYTES_MAX
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, WriteTx, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

T = TypeVar("T")

_TEXT: TypeAdapter[str] = TypeAdapter(JDL)
_DOCUMENT: TypeAdapter[dict[str, Any]] = TypeAdapter(JobDocument)
# Below this a body is read sooner than handed to a thread.
_THREAD_FROM_BYTES = 64 * 1024
_KEY_LENGTH_MAX = 255
PREVIEWED_MAX = 10
_STRICT = (
    "Refuse a CPUTime or Priority outside the bounds of the VO and a `%(name)s` without values, as for JSON; "
    "each job of the answer then has `Warnings`"
)


def _body(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    schema = {"type": "array", "maxItems": IDS_MAX, "items": adapter.json_schema()}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def submitted_texts(request: Request, rules: Rules) -> Sequence[str]:
    """Return the job descriptions of the body; the first fault ends the reading of what may be a hundred thousand."""
    return await _aside(_texts, await request.body(), rules.jobs_max)


async def submitted_documents(request: Request, rules: Rules) -> Sequence[str]:
    """Return the job descriptions of the body, each as a text of its own; equal ones have equal texts."""
    return await _aside(_documents, await request.body(), rules.jobs_max)


async def _aside(read: Callable[[bytes, int], Sequence[str]], body: bytes, jobs_max: int) -> Sequence[str]:
    if len(body) < _THREAD_FROM_BYTES:
        return read(body, jobs_max)
    return await asyncio.to_thread(read, body, jobs_max)


def _texts(body: bytes, jobs_max: int) -> Sequence[str]:
    return list(_items(body, _TEXT, length_max=2 * JDL_LENGTH_MAX, jobs_max=jobs_max))


def _documents(body: bytes, jobs_max: int) -> Sequence[str]:
    # Each is written as soon as it is read: as objects they take some thirty times their size.
    return [
        _written(document) for document in _items(body, _DOCUMENT, length_max=DOCUMENT_LENGTH_MAX, jobs_max=jobs_max)
    ]


def _written(document: dict[str, Any]) -> str:
    try:
        return json.dumps_text(document)
    except TypeError as error:  # the body may have numbers of any size, and single surrogates
        raise BadSubmission(f"The descriptions cannot be kept: {error}") from error


def _items(body: bytes, adapter: TypeAdapter[T], *, length_max: int, jobs_max: int) -> Iterator[T]:
    try:
        for index, item in enumerate(json.items_of(body, length_max=length_max)):
            if index == jobs_max:
                raise BadSubmission(f"One submission takes at most {jobs_max} jobs: split it")
            yield _validated(adapter, item, index)
    except JSONDecodeError as error:
        where = {"loc": ("body", error.pos), "input": None, "ctx": {"error": error.msg}}
        raise RequestValidationError(
            [{"type": "json_invalid", "msg": f"JSON decode error: {error.msg}", **where}]
        ) from error


def _validated(adapter: TypeAdapter[T], item: Any, index: int) -> T:
    try:
        return adapter.validate_python(item)
    except ValidationError as error:
        faults = [{**found, "loc": ("body", index, *found["loc"])} for found in error.errors()]
        raise RequestValidationError(faults) from error


async def request_key(
    request: Request, idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None
) -> RequestKey | None:
    """Return the key under which a repeated submission is known."""
    if idempotency_key is None:
        return None
    if not 1 <= len(idempotency_key) <= _KEY_LENGTH_MAX:
        raise BadSubmission(f"Idempotency-Key: must have 1 to {_KEY_LENGTH_MAX} characters")
    return RequestKey(idempotency_key, await request.body())


RepeatKey = Annotated[RequestKey | None, Depends(request_key)]


@router.post(
    "/jdl",
    operation_id="jobs_submit_jdl_jobs",
    status_code=201,
    response_model=list[InsertedJob],
    openapi_extra=_body(_TEXT),
    max_body_size=SUBMISSION_BYTES_MAX,
)
async def submit_jdl_jobs(
    user: CurrentUser,
    *,
    texts: Annotated[Sequence[str], Depends(submitted_texts)],
    tx: WriteTx,
    config: CurrentConfig,
    now: Now,
    rules: Rules,
    key: RepeatKey,
    strict: Annotated[bool, Query(description=_STRICT)] = False,
) -> Response:
    """Submit jobs: one description each, or one parametric description for many."""
    submission = Submission(texts, key, is_strict=strict)
    submitted = await submit(tx, submission, submitter=may_submit(user), config=config, now=now, rules=rules)
    return json_response(_with_warnings(submitted) if strict else _inserted(submitted), status=201)


@router.post(
    "/json",
    operation_id="jobs_submit_json_jobs",
    status_code=201,
    response_model=list[InsertedJSONJob],
    openapi_extra=_body(_DOCUMENT),
    max_body_size=SUBMISSION_BYTES_MAX,
)
async def submit_json_jobs(
    user: CurrentUser,
    *,
    texts: Annotated[Sequence[str], Depends(submitted_documents)],
    tx: WriteTx,
    config: CurrentConfig,
    now: Now,
    rules: Rules,
    key: RepeatKey,
) -> Response:
    """Submit jobs described in JSON: the attributes of JDL, and `requirements` in full."""
    submission = Submission(texts, key, "json")
    submitted = await submit(tx, submission, submitter=may_submit(user), config=config, now=now, rules=rules)
    return json_response(_with_warnings(submitted), status=201)


@router.post("/check", operation_id="jobs_check_jobs", response_model=list[CheckedJob], max_body_size=REPORTS_BYTES_MAX)
async def check_jobs(
    body: CheckedTexts, user: CurrentUser, *, tx: ReadTx, config: CurrentConfig, now: Now, rules: Rules
) -> Response:
    """Read job descriptions as a submission would, store nothing, and say whether something could run the jobs."""
    texts = body.jdl if body.json_ is None else list(map(_written, body.json_))
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


def _with_warnings(submitted: Submitted) -> list[dict[str, Any]]:
    warnings = submitted.warnings or repeat(())
    return [{**answer, "Warnings": told} for answer, told in zip(_inserted(submitted), warnings, strict=False)]


@router.get("/{job_id}/jdl", operation_id="jobs_get_jdl", response_class=PlainTextResponse)
async def get_jdl(job_id: int, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the description of a job as it was submitted, a parametric job's with its own values."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    return PlainTextResponse(text_of_job(row.jdl, row.document, row.parameters, job_id))


@router.get("/{job_id}/requirements", operation_id="jobs_get_requirements", response_model=dict[str, Any])
async def get_requirements(job_id: int, actor: CurrentActor, tx: ReadTx, *, config: CurrentConfig) -> Response:
    """Answer with what the job needs of a pilot: defaults of the VO filled in, and what retries have changed of it."""
    permit = await may_read(tx, actor, [job_id])
    [row] = await select_descriptions(tx, [permit.one(job_id)])
    description = Description.read(fill(row.document, row.parameters, job_id))
    resolved = resolve(description, Limits.of(config.operations[actor.vo]))
    overrides = Overrides.read(row.overrides)
    changed = replace(resolved, alternatives=tuple(map(overrides.applied, resolved.alternatives)))
    attempts = await select_attempts(tx, [job_id])
    return json_response({**changed.wire(), "overrides": row.overrides, "attempts": attempts})
