"""Submission: texts become stored jobs, their history and their first check, in one transaction or not at all."""

import asyncio
import hashlib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any

from weyl.config.models import Config
from weyl.descriptions.described import Described, Form, Prepared, prepare
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadSubmission
from weyl.descriptions.requirements import Limits
from weyl.jobs.additions import SubmissionRules, Submitting, candidates
from weyl.jobs.errors import KeyReused
from weyl.jobs.policy import Submitter
from weyl.jobs.queries import submission as queries
from weyl.jobs.service.check_queue import check_soon
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.sandboxes import service as sandboxes

STATUS, MINOR_STATUS = "Received", "Job accepted"
OUTLOOKS_MAX = 20
KEY_LIFETIME = timedelta(hours=24)
# Below this many characters reading takes less than handing it to a thread.
_THREAD_FROM_CHARACTERS = 20_000
_THREAD_FROM_JOBS = 500


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for; the body counts only where the client gave a key."""

    texts: Sequence[str]
    key: str | None = None
    body: bytes = b""
    form: Form = "jdl"


@dataclass(frozen=True, slots=True)
class Submitted:
    """The jobs that exist now, in the order asked for."""

    job_ids: Sequence[int]
    at: datetime
    warnings: Sequence[Sequence[str]] = ()
    """One list a job, or none at all where there is nothing to say."""


async def submit(
    tx: Tx, submission: Submission, *, submitter: Submitter, config: Config, now: datetime, rules: SubmissionRules
) -> Submitted:
    """Store the jobs of a submission and start their checks; a known key gets the answer that it got before."""
    known = await _known(tx, submission, submitter, now)
    if known is not None:
        return known
    limits = Limits.of(config.operations[submitter.vo])
    prepared = await _prepared(submission, submitter, limits=limits, rules=rules)
    if rules.checks:
        whose = {"vo": submitter.vo, "group": submitter.group, "owner": submitter.owner}
        await _check(prepared, rules, submitting=Submitting(**whose, config=config, now=now, tx=tx))
    job_ids, description_ids = await queries.reserve_ids(
        tx, jobs=prepared.count, descriptions=len(prepared.descriptions)
    )
    if submission.form == "json":
        prepared = await with_outlook(tx, prepared, rules, vo=submitter.vo, now=now)
    submitted = Submitted(job_ids, now, prepared.warnings())
    if submission.key is not None and not await _keep(tx, submission, submitter, submitted):
        # the same key came twice at one time: the other one has committed by now
        known = await _known(tx, submission, submitter, now)
        assert known is not None, "the key was found taken in this transaction"
        return known
    await _store(tx, prepared, submitted, description_ids=description_ids, submitter=submitter)
    await check_soon(tx, job_ids)
    return submitted


async def read_only(
    tx: Tx, submission: Submission, *, submitter: Submitter, config: Config, now: datetime, rules: SubmissionRules
) -> Prepared:
    """Read a submission as `submit` does, and ask whether something could run it, but store nothing."""
    limits = Limits.of(config.operations[submitter.vo])
    prepared = await _prepared(submission, submitter, limits=limits, rules=rules)
    if rules.checks:
        whose = {"vo": submitter.vo, "group": submitter.group, "owner": submitter.owner}
        await _check(prepared, rules, submitting=Submitting(**whose, config=config, now=now, tx=tx))
    return await with_outlook(tx, prepared, rules, vo=submitter.vo, now=now)


async def with_outlook(tx: Tx, prepared: Prepared, rules: SubmissionRules, *, vo: str, now: datetime) -> Prepared:
    """Add a warning to descriptions that nothing of the last day could run; beyond the first ones nobody reads them."""
    if rules.outlook is None:
        return prepared
    looked_at = prepared.descriptions[:OUTLOOKS_MAX]
    classes = [[made.document for made in description.classes] for description in looked_at]
    told = await rules.outlook(tx, classes, vo, now)
    warned = [
        description if sentence is None else replace(description, warnings=(*description.warnings, sentence))
        for description, sentence in zip(looked_at, told, strict=True)
    ]
    return replace(prepared, descriptions=[*warned, *prepared.descriptions[OUTLOOKS_MAX:]])


async def _check(prepared: Prepared, rules: SubmissionRules, *, submitting: Submitting) -> None:
    """Ask the extensions; raises `BadSubmission` that names the first refused job and the reason."""
    asked = candidates(prepared)
    for extension, check in rules.checks.items():
        answer = check(asked, submitting)
        refusals = await answer if inspect.isawaitable(answer) else answer
        if refusals:
            index = min(refusals)
            extra = {"index": index, "reason": refusals[index], "extension": extension}
            raise BadSubmission(f"Job {index}: {refusals[index]}", extra=extra)


async def _prepared(
    submission: Submission, submitter: Submitter, *, limits: Limits, rules: SubmissionRules
) -> Prepared:
    texts = submission.texts
    owner = Owner(vo=submitter.vo, group=submitter.group, name=submitter.owner)
    size = sum(map(len, texts))
    read = partial(prepare, jobs_max=rules.jobs_max, attributes=rules.attributes, form=submission.form)
    if size < _THREAD_FROM_CHARACTERS and len(texts) < _THREAD_FROM_JOBS and "arameters" not in "".join(texts):
        return read(texts, owner, limits)
    return await asyncio.to_thread(read, texts, owner, limits)


async def _store(
    tx: Tx, prepared: Prepared, submitted: Submitted, *, description_ids: Sequence[int], submitter: Submitter
) -> None:
    times = Counter(prepared.order)
    await queries.insert_descriptions(
        tx,
        [
            (number, made.jdl, json.dumps_text(made.document), made.count * times[index])
            for index, (number, made) in enumerate(zip(description_ids, prepared.descriptions, strict=True))
        ],
    )
    rows = _rows(prepared, submitted, description_ids=description_ids, submitter=submitter)
    await queries.insert_jobs(tx, rows)
    at = submitted.at
    await queries.insert_history(
        tx, [(job_id, at, STATUS, MINOR_STATUS, "Unknown", "JobManager") for job_id in submitted.job_ids]
    )
    assignments = list(_assignments(prepared, submitted.job_ids))
    if assignments:
        await sandboxes.assign_inputs(tx, assignments, owner=(submitter.vo, submitter.owner))


def _rows(
    prepared: Prepared, submitted: Submitted, *, description_ids: Sequence[int], submitter: Submitter
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the jobs, columns as in `queries.JOB_COLUMNS`."""
    now = submitted.at
    for index, job_ids in _shares(prepared, submitted.job_ids):
        description = prepared.descriptions[index]
        description_id = description_ids[index]
        columns = (_spread(description.columns[name], len(job_ids)) for name in _VARYING)
        for job_id, job_type, job_group, site, job_name, priority, parameters in zip(
            job_ids, *columns, _parameter_texts(description), strict=True
        ):
            yield (
                job_id,
                job_type,
                _with_id(job_group, job_id)[:32],
                site,
                _with_id(job_name, job_id)[:128],
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
            )


_VARYING = ("job_type", "job_group", "site", "job_name", "user_priority")


def _with_id(text: str, job_id: int) -> str:
    return text.replace("%j", str(job_id)) if "%j" in text else text


def _parameter_texts(description: Described) -> Iterator[str | None]:
    parameters = description.parameters()
    return repeat(None, 1) if parameters is None else map(json.dumps_text, parameters)


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


def _identity(submission: Submission, submitter: Submitter) -> dict[str, str]:
    assert submission.key is not None
    return {"vo": submitter.vo, "subject": submitter.subject, "key": submission.key}


async def _known(tx: Tx, submission: Submission, submitter: Submitter, now: datetime) -> Submitted | None:
    """Return the answer that this key got in the last day; raises `KeyReused` if it came with another body."""
    if submission.key is None:
        return None
    row = await queries.select_submission(tx, _identity(submission, submitter), since=now - KEY_LIFETIME)
    if row is None:
        return None
    if row["body_hash"] != _body_hash(submission, submitter):
        raise KeyReused
    return Submitted(row["job_ids"], row["submitted_at"])


async def _keep(tx: Tx, submission: Submission, submitter: Submitter, submitted: Submitted) -> bool:
    answer = {
        "body_hash": _body_hash(submission, submitter),
        "job_ids": list(submitted.job_ids),
        "submitted_at": submitted.at,
    }
    since = submitted.at - KEY_LIFETIME
    return await queries.insert_submission(tx, _identity(submission, submitter), answer=answer, since=since)


def _body_hash(submission: Submission, submitter: Submitter) -> bytes:
    # the group is part of what was asked for: the same text from another group makes other jobs
    return hashlib.sha256(submitter.group.encode() + b"\x00" + submission.body).digest()
