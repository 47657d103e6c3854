"""Submission: texts are read, in a thread where there is much to read, and what they make is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from weyl.config.models import Config
from weyl.descriptions.described import Prepared
from weyl.descriptions.description import Owner
from weyl.descriptions.requirements import Limits
from weyl.descriptions.texts import Form, prepare
from weyl.jobs.additions import SubmissionRules
from weyl.jobs.policy import Submitter
from weyl.jobs.service.storing import NewJobs, RequestKey, Submitted, rehearse, replayed, store
from weyl.kit.db import Tx

# Below this many characters reading takes less than handing it to a thread.
_THREAD_FROM_CHARACTERS = 20_000
_THREAD_FROM_JOBS = 500


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for."""

    texts: Sequence[str]
    key: RequestKey | None = None
    form: Form = "jdl"
    # Whether what the contract moves into bounds, or leaves as it is, is refused.
    is_strict: bool = True


async def submit(
    tx: Tx, submission: Submission, *, submitter: Submitter, config: Config, now: datetime, rules: SubmissionRules
) -> Submitted:
    """Store the jobs of a submission and start their checks; a known key gets the answer that it got before."""
    known = await replayed(tx, submission.key, submitter, now)
    if known is not None:
        return known
    prepared = await _prepared(submission, submitter, config=config, rules=rules)
    wanted = NewJobs(prepared, submitter, submission.key, asks_outlook=submission.form == "json")
    return await store(tx, wanted, config=config, now=now, rules=rules)


async def read_only(
    tx: Tx, submission: Submission, *, submitter: Submitter, config: Config, now: datetime, rules: SubmissionRules
) -> Prepared:
    """Read a submission as `submit` does, and ask whether something could run it, but store nothing."""
    prepared = await _prepared(submission, submitter, config=config, rules=rules)
    return await rehearse(tx, NewJobs(prepared, submitter), config=config, now=now, rules=rules)


async def _prepared(
    submission: Submission, submitter: Submitter, *, config: Config, rules: SubmissionRules
) -> Prepared:
    texts = submission.texts
    limits = replace(Limits.of(config.operations[submitter.vo]), is_strict=submission.is_strict)
    owner = Owner(vo=submitter.vo, group=submitter.group, name=submitter.owner)
    size = sum(map(len, texts))
    read = partial(prepare, jobs_max=rules.jobs_max, attributes=rules.attributes, form=submission.form)
    if size < _THREAD_FROM_CHARACTERS and len(texts) < _THREAD_FROM_JOBS and "arameters" not in "".join(texts):
        return read(texts, owner, limits)
    return await asyncio.to_thread(read, texts, owner, limits)
