"""Turns bound jobs into what pilots are told: work documents, tokens, or why there is nothing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import structlog

from weyl.auth.keys import KeySet
from weyl.auth.tokens import JobIdentity, job_claims
from weyl.descriptions.errors import BadAttribute
from weyl.kit import json
from weyl.kit.ids import uuid7
from weyl.matcher.additions import CommandsOf
from weyl.matcher.models import TOKENS_INLINE_MAX, Allocated, JobToken, MatchAnswer, MatchedJob, Miss, PayloadLimits
from weyl.matcher.planning import Attempt, Bound
from weyl.matcher.queries.claims import BoundJob
from weyl.matcher.work_forms import WorkForms

log = structlog.get_logger(__name__)

# An idle pilot counts as one that takes the next job: where a place opens again, that is to be true before long.
RETRY_CLOSED_S = 60
RETRY_EMPTY_S = 10
RETRY_UNFIT_S = 30
RETRY_BUSY_S = 1
RETRY_UNHEALTHY_S = 900
RETRY_SINGLE_S = 60
HOST_HEALTH = "host_health"


class Written(Mapping[str, Any]):
    """A class document that is JSON already and goes out as it is; it is read only if somebody looks into it."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.text)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(json.loads(self.text))

    def __len__(self) -> int:
        return len(json.loads(self.text))


class JobTokens:
    """Writes the tokens of payloads."""

    def __init__(self, keys: KeySet, *, lifetime_s: int) -> None:
        self._keys = keys
        self._lifetime_s = lifetime_s

    def token(self, job: JobIdentity, now: datetime) -> JobToken:
        """Return a token that is good for one job only."""
        return JobToken(access_token=self.signed(job, int(now.timestamp())), expires_in=self._lifetime_s)

    def signed(self, job: JobIdentity, now: int) -> str:
        """Return the text of a token alone."""
        return self._keys.seal(job_claims(job, token_id=uuid7(), now=now, lifetime_s=self._lifetime_s))


def hit(stamp: str, bound: Sequence[Bound], tokens: JobTokens, now: datetime) -> MatchAnswer:
    """Return the answer with jobs; many get their tokens when their payloads start.

    The large parts are made without validation: every value is ours, and a bulk has many thousands of them a second.
    """
    has_tokens, at = len(bound) <= TOKENS_INLINE_MAX, int(now.timestamp())
    return MatchAnswer.model_construct(
        jobs=[
            MatchedJob.model_construct(
                job_id=job.job_id,
                class_id=job.entry.class_id,
                allocated=Allocated(**job.allocation.allocated()),
                limits=PayloadLimits(ram_mb=job.allocation.limit_ram_mb, wall_s=job.allocation.limit_wall_s),
                work=job.work,
                token=tokens.signed(identity(job, stamp), at) if has_tokens else None,
            )
            for job in bound
        ],
        classes={job.entry.class_id: Written(job.entry.text) for job in bound},
        miss=None,
        action="continue",
    )


def equipped(answer: MatchAnswer, commands_of: CommandsOf) -> MatchAnswer:
    """Add to the work of each job the commands that run around payloads of its type, where there are any."""
    for job in answer.jobs:
        if commands := commands_of(job.work["vo"], job.work["job_type"]):
            job.work["commands"] = commands
    return answer


def body_of(answer: MatchAnswer) -> bytes:
    """Return the answer as JSON: what pydantic would write, without looking for what each value is."""
    document = answer.__dict__
    if answer.jobs:
        jobs = [
            {**job.__dict__, "allocated": job.allocated.__dict__, "limits": job.limits.__dict__} for job in answer.jobs
        ]
        document = {**document, "jobs": jobs}
    return orjson.dumps(document, default=_written, option=orjson.OPT_NON_STR_KEYS)


def _written(value: object) -> object:
    if isinstance(value, Written):
        return orjson.Fragment(value.text)
    if isinstance(value, Miss):
        return value.__dict__
    raise TypeError(f"{type(value).__name__} has no JSON form")


def work_of(job: Bound | BoundJob, forms: WorkForms) -> dict[str, Any] | None:
    """Return what the wrapper of a job needs; whose the job is, its row says and not its description.

    None, and a line in the log, if nobody can read its description: then it must not cost others their match.
    """
    owner = {"owner": job.owner, "owner_group": job.owner_group, "vo": job.vo}
    try:
        return {**forms.work(job.parameters, job.job_id), **owner}
    except BadAttribute as error:
        log.error("matcher.description_not_readable", job_id=job.job_id, reason=error.detail)
        return None


def missed(attempt: Attempt, *, has_waited: bool) -> MatchAnswer:
    """Return the answer without jobs; who has waited already may ask again at once."""
    condition = attempt.miss or "busy"
    if condition == HOST_HEALTH:
        retry_after_s = RETRY_SINGLE_S
    elif condition == "site_status":
        retry_after_s = RETRY_CLOSED_S
    elif has_waited:
        retry_after_s = 0
    elif condition == "busy":
        retry_after_s = RETRY_BUSY_S
    else:
        retry_after_s = RETRY_EMPTY_S if condition in ("queue", "vo") else RETRY_UNFIT_S
    return MatchAnswer(
        jobs=[], classes={}, miss=Miss(condition=condition, retry_after_s=retry_after_s), action="continue"
    )


def dismissed(action: str) -> MatchAnswer:
    """Return the answer to a pilot that is to end."""
    return MatchAnswer(jobs=[], classes={}, miss=None, action="stop" if action == "stop" else "drain")


def resting(*, is_single_slot: bool) -> MatchAnswer:
    """Return the answer to a pilot on a host that breaks its jobs; one that has no other host to hope for ends."""
    miss = Miss(condition=HOST_HEALTH, retry_after_s=RETRY_UNHEALTHY_S)
    return MatchAnswer(jobs=[], classes={}, miss=miss, action="stop" if is_single_slot else "continue")


def identity(job: Bound | BoundJob, stamp: str) -> JobIdentity:
    """Return whom the token of a job speaks for."""
    return JobIdentity(job_id=job.job_id, pilot_stamp=stamp, vo=job.vo, group=job.owner_group, owner=job.owner)
