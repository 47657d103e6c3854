"""The one way in: what is described becomes jobs, with history and first check, in one transaction or not at all.

Texts, workflows and transformations: all come through `store`.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any

from weyl.config.models import Config
from weyl.descriptions.described import Described, Prepared
from weyl.descriptions.errors import BadSubmission
from weyl.file_catalog.fields import Declared
from weyl.file_catalog.queries.fields import select_fields
from weyl.jobs.additions import SubmissionRules, Submitting, candidates
from weyl.jobs.errors import KeyReused
from weyl.jobs.output_places import describes_outputs, misdescribed, refused
from weyl.jobs.policy import Submitter
from weyl.jobs.queries import submission as queries
from weyl.jobs.service.check_queue import check_soon
from weyl.jobs.states import WANTED
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.sandboxes import service as sandboxes

STATUS, MINOR_STATUS = "Received", "Job accepted"
OUTLOOKS_MAX = 20
KEY_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An `Idempotency-Key`, and the body with which it came: with another one it is refused."""

    text: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NewJobs:
    """Jobs that are to be stored, and the permit of whoever wants them."""

    prepared: Prepared
    """`Prepared.of` what `descriptions.described` makes of documents, or what `descriptions.texts` reads."""
    submitter: Submitter
    key: RequestKey | None = None
    """Under which a repeated request is known, and stores nothing."""
    asks_outlook: bool = False
    """Whether to warn of jobs that nothing seen lately could run."""
    workflow_id: str | None = None
    """The label under which the workflow that they run is shown and searched, if they run one."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The jobs that exist now, in the order asked for."""

    job_ids: Sequence[int]
    at: datetime
    warnings: Sequence[Sequence[str]] = ()
    """One list a job, or none at all where there is nothing to say."""


async def replayed(tx: Tx, key: RequestKey | None, submitter: Submitter, now: datetime) -> Submitted | None:
    """Return the answer that a key got in the last day, for who asks before there is anything to store.

    Raises `KeyReused` if it came with another body.
    """
    if key is None:
        return None
    row = await queries.select_submission(tx, _identity(key, submitter), since=now - KEY_LIFETIME)
    if row is None:
        return None
    if row.body_hash != _body_hash(key, submitter):
        raise KeyReused
    return Submitted(row.job_ids, row.submitted_at)


async def store(tx: Tx, wanted: NewJobs, *, config: Config, now: datetime, rules: SubmissionRules) -> Submitted:
    """Store jobs and start their checks, up to a hundred thousand in as many statements as one.

    Extensions are asked first: raises `BadSubmission` that names the first job that they refuse. Where the key has
    come again meanwhile, the answer is the one that it got then.
    """
    await _check(tx, wanted, config=config, now=now, rules=rules)
    prepared, submitter = wanted.prepared, wanted.submitter
    if wanted.asks_outlook:
        prepared = await _with_outlook(tx, wanted, rules, now)
    job_ids, description_ids = await queries.reserve_ids(
        tx, jobs=prepared.count, descriptions=len(prepared.descriptions)
    )
    submitted = Submitted(job_ids, now, prepared.warnings())
    if wanted.key is not None and not await _keep(tx, wanted.key, submitter, submitted):
        # the same key came twice at one time: the other one has committed by now
        known = await replayed(tx, wanted.key, submitter, now)
        assert known is not None, "the key was found taken in this transaction"
        return known
    await _insert(tx, replace(wanted, prepared=prepared), submitted, description_ids=description_ids)
    await check_soon(tx, job_ids)
    return submitted


async def rehearse(tx: Tx, wanted: NewJobs, *, config: Config, now: datetime, rules: SubmissionRules) -> Prepared:
    """Ask extensions as `store` does, and whether something could run the jobs, but store nothing."""
    await _check(tx, wanted, config=config, now=now, rules=rules)
    return await _with_outlook(tx, wanted, rules, now)


async def _with_outlook(tx: Tx, wanted: NewJobs, rules: SubmissionRules, now: datetime) -> Prepared:
    """Add a warning to descriptions that nothing of the last day could run; beyond the first ones nobody reads them."""
    prepared = wanted.prepared
    if rules.outlook is None:
        return prepared
    looked_at = prepared.descriptions[:OUTLOOKS_MAX]
    classes = [[made.document for made in description.classes] for description in looked_at]
    told = await rules.outlook(tx, classes, wanted.submitter.vo, now)
    warned = [
        description if sentence is None else replace(description, warnings=(*description.warnings, sentence))
        for description, sentence in zip(looked_at, told, strict=True)
    ]
    return replace(prepared, descriptions=[*warned, *prepared.descriptions[OUTLOOKS_MAX:]])


async def _check(tx: Tx, wanted: NewJobs, *, config: Config, now: datetime, rules: SubmissionRules) -> None:
    """Ask whether output can be stored, then the extensions; raises `BadSubmission` with the first refused job."""
    asked, submitter = candidates(wanted.prepared), wanted.submitter
    declared: Declared | None = None
    for candidate in asked:
        reason = refused(candidate, config, vo=submitter.vo, owner=submitter.owner)
        if reason is None and describes_outputs(candidate):
            declared = await select_fields(tx, submitter.vo) if declared is None else declared
            reason = misdescribed(candidate, declared)
        if reason is not None:
            extra = {"index": candidate.index, "attribute": reason.attribute, "reason": reason.reason}
            raise BadSubmission(f"Job {candidate.index}: {reason.detail}", extra=extra)
    if not rules.checks:
        return
    submitting = Submitting(
        vo=submitter.vo, group=submitter.group, owner=submitter.owner, config=config, now=now, tx=tx
    )
    for extension, check in rules.checks.items():
        answer = check(asked, submitting)
        refusals = await answer if inspect.isawaitable(answer) else answer
        if refusals:
            index = min(refusals)
            extra = {"index": index, "reason": refusals[index], "extension": extension}
            raise BadSubmission(f"Job {index}: {refusals[index]}", extra=extra)


async def _insert(tx: Tx, wanted: NewJobs, submitted: Submitted, *, description_ids: Sequence[int]) -> None:
    prepared, submitter = wanted.prepared, wanted.submitter
    times = Counter(prepared.order)
    await queries.insert_descriptions(
        tx,
        [
            (number, made.jdl, json.dumps_text(made.stored_document()), made.count * times[index])
            for index, (number, made) in enumerate(zip(description_ids, prepared.descriptions, strict=True))
        ],
    )
    rows = _rows(wanted, submitted, description_ids=description_ids)
    await queries.insert_jobs(tx, rows)
    at = submitted.at
    await queries.insert_history(
        tx, [(job_id, at, STATUS, MINOR_STATUS, "Unknown", "JobManager") for job_id in submitted.job_ids]
    )
    assignments = list(_assignments(prepared, submitted.job_ids))
    if assignments:
        await sandboxes.assign_inputs(tx, assignments, owner=(submitter.vo, submitter.owner))


def _rows(wanted: NewJobs, submitted: Submitted, *, description_ids: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the jobs, columns as in `queries.JOB_COLUMNS`."""
    now, prepared, submitter, workflow_id = submitted.at, wanted.prepared, wanted.submitter, wanted.workflow_id
    for index, job_ids in _shares(prepared, submitted.job_ids):
        description = prepared.descriptions[index]
        description_id = description_ids[index]
        with_id = _as_it_is if description.runs_workflow else _with_id
        columns = (_spread(description.columns[name], len(job_ids)) for name in _VARYING)
        for job_id, job_type, job_group, site, job_name, priority, wants_outputs, parameters, inputs in zip(
            job_ids, *columns, _parameter_texts(description), _inputs(description), strict=True
        ):
            yield (
                job_id,
                job_type,
                with_id(job_group, job_id)[:32],
                site,
                with_id(job_name, job_id)[:128],
                submitter.owner,
                submitter.group,
                submitter.vo,
                now,
                now,
                STATUS,
                MINOR_STATUS,
                priority,
                description_id,
                parameters,
                inputs,
                workflow_id,
                WANTED if wants_outputs else None,
            )


_VARYING = ("job_type", "job_group", "site", "job_name", "user_priority", "wants_outputs")


def _with_id(text: str, job_id: int) -> str:
    return text.replace("%j", str(job_id)) if "%j" in text else text


def _as_it_is(text: str, _job_id: int) -> str:
    return text


def _parameter_texts(description: Described) -> Iterator[str | None]:
    texts = description.stored_parameters()
    return repeat(None, description.count) if texts is None else texts


def _inputs(description: Described) -> Iterable[str | None]:
    inputs = description.inputs()
    return repeat(None, description.count) if inputs is None else inputs


def _shares(prepared: Prepared, job_ids: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield, in the order asked for, which description makes which jobs."""
    start = 0
    for index in prepared.order:
        end = start + prepared.descriptions[index].count
        yield index, job_ids[start:end]
        start = end


def _assignments(prepared: Prepared, job_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    for index, share in _shares(prepared, job_ids):
        for job_id, names in zip(share, _spread(prepared.descriptions[index].sandboxes, len(share)), strict=True):
            for name in names:
                yield job_id, name


def _spread(values: Sequence[Any], count: int) -> Sequence[Any] | Iterator[Any]:
    return values if len(values) == count else repeat(values[0], count)


def _identity(key: RequestKey, submitter: Submitter) -> dict[str, str]:
    return {"vo": submitter.vo, "subject": submitter.subject, "key": key.text}


async def _keep(tx: Tx, key: RequestKey, submitter: Submitter, submitted: Submitted) -> bool:
    answer = {
        "body_hash": _body_hash(key, submitter),
        "job_ids": list(submitted.job_ids),
        "submitted_at": submitted.at,
    }
    since = submitted.at - KEY_LIFETIME
    return await queries.insert_submission(tx, _identity(key, submitter), answer=answer, since=since)


def _body_hash(key: RequestKey, submitter: Submitter) -> bytes:
    # the group is part of what was asked for: the same text from another group makes other jobs
    return hashlib.sha256(submitter.group.encode() + b"\x00" + key.body).digest()
