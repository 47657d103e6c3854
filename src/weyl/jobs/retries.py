"""Whether a job that has failed runs again by itself, and with what changed: decisions by the class of its error."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from weyl.config.retries import GrowingRetry, HostRetry, LaterRetry, PayloadRetry, Retry, RetryRule
from weyl.descriptions.overrides import Overrides, joined

# A set-up that ends its pilots, by the size of its input for example, must not go on for ever.
SETUPS_MAX = 3
# Jobs that fail on a host within so many seconds have the host back at the same time, and so the same class.
AVOID_STEP_S = 300


class ErrorClass(StrEnum):
    """Why a run failed, as whoever had the evidence saw it."""

    MEMORY = "memory"
    TIME = "time"
    HOST = "host"
    PILOT = "pilot"
    """The pilot ended, which says nothing of its host: it counts as `host`, and the host may have the next run."""
    SITE = "site"
    INPUT_DATA = "input_data"
    OUTPUT_UPLOAD = "output_upload"
    PAYLOAD = "payload"


def error_class_of(word: str | None) -> ErrorClass | None:
    """Read what a wrapper says; a word that is not known says nothing."""
    return ErrorClass(word) if word in set(ErrorClass) else None


@dataclass(frozen=True, slots=True)
class FailedRun:
    """What a run left that decides about the next."""

    error_class: ErrorClass
    job_type: str
    counter: int
    overrides: Overrides
    site: str | None = None
    host: str | None = None
    memory_mb: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class NextRun:
    """How the job runs again: what changes, its counter of reschedulings, and how long it is held first."""

    overrides: Overrides
    counter: int
    reason: str
    after_s: int = 0


def next_run(run: FailedRun, retry: Retry, *, reschedulings_max: int, now: datetime) -> NextRun | None:
    """Decide about one run that fails now; None: the job stays failed."""
    rule = rule_of(retry, run.error_class, run.job_type)
    name = _rule_name(run.error_class)
    tried = run.overrides.retries.get(name, 0)
    if rule is None or tried >= rule.max:
        return None
    if isinstance(rule, PayloadRetry) and run.exit_code not in rule.exit_codes:
        return None
    is_free = name == "host"
    if not is_free and run.counter + 1 > reschedulings_max:
        return None
    overrides, reason = _changed(run, rule, now)
    return NextRun(
        replace(overrides, retries={**run.overrides.retries, name: tried + 1}),
        counter=run.counter if is_free else run.counter + 1,
        reason=f"Retry {tried + 1} of {rule.max} after an error of class {run.error_class}: {reason}",
        after_s=rule.after if isinstance(rule, LaterRetry) else 0,
    )


def next_setup(known: Overrides) -> Overrides | None:
    """Count a run that was lost in its set-up, before its payload started; None: there were too many of them."""
    lost = known.retries.get("setup", 0)
    return None if lost >= SETUPS_MAX else replace(known, retries={**known.retries, "setup": lost + 1})


def rule_of(retry: Retry, error_class: ErrorClass, job_type: str) -> RetryRule | None:
    """Return the rule of an error, the job type's own if it has one; None for errors that no other run can mend."""
    name = _rule_name(error_class)
    if name == "output_upload":
        return None
    own = retry.per_job_type.get(job_type)
    rule: RetryRule | None = None if own is None else getattr(own, name)
    return getattr(retry, name) if rule is None else rule


def why_not(run: FailedRun, retry: Retry, *, reschedulings_max: int) -> str:
    """Say why a job stays failed after a run; in the words of those whose job it is."""
    name, kind = _rule_name(run.error_class), run.error_class.value
    rule = rule_of(retry, run.error_class, run.job_type)
    tried = run.overrides.retries.get(name, 0)
    if rule is None:
        return f"Errors of class {kind} are not retried: another run would end the same way"
    if not rule.max:
        what = "Program errors" if run.error_class is ErrorClass.PAYLOAD else f"Errors of class {kind}"
        return f"{what} are not retried automatically"
    if isinstance(rule, PayloadRetry) and run.exit_code not in rule.exit_codes:
        return f"Your VO does not retry programs that end with exit code {run.exit_code}"
    if tried >= rule.max:
        return f"It was retried {_times(tried)} after errors of class {kind}, which is the limit"
    if name != "host" and run.counter + 1 > reschedulings_max:
        return f"It was rescheduled {_times(run.counter)}, which is the limit"
    return f"It was not retried after an error of class {kind}, although today's rules allow it: reschedule it"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _rule_name(error_class: ErrorClass) -> str:
    return "host" if error_class is ErrorClass.PILOT else error_class.value


def _changed(run: FailedRun, rule: RetryRule, now: datetime) -> tuple[Overrides, str]:
    known = run.overrides
    match run.error_class:
        case ErrorClass.MEMORY if isinstance(rule, GrowingRetry):
            more = replace(
                known, memory=known.memory * rule.factor, memory_mb=math.ceil(max(run.memory_mb, 1) * rule.factor)
            )
            if not run.memory_mb:
                more = replace(more, memory_mb=known.memory_mb)
            return more, f"{more.memory:g} x the memory"
        case ErrorClass.TIME if isinstance(rule, GrowingRetry):
            longer = replace(known, time=known.time * rule.factor)
            return longer, f"{longer.time:g} x the time"
        case ErrorClass.HOST if isinstance(rule, HostRetry) and rule.avoid_for:
            hosts, until = joined(known.hosts, run.host), _full_step(now.timestamp() + rule.avoid_for)
            return replace(known, hosts=hosts, hosts_until=until), "on another host"
        case ErrorClass.HOST:
            return known, "on any host"
        case ErrorClass.PILOT:
            return known, "with another pilot"
        case ErrorClass.SITE:
            return replace(known, sites=joined(known.sites, run.site)), "at another site"
        case ErrorClass.INPUT_DATA:
            return known, "the files are looked for again"
        case _:
            return known, f"exit code {run.exit_code}"


def _full_step(at: float) -> datetime:
    return datetime.fromtimestamp(math.ceil(at / AVOID_STEP_S) * AVOID_STEP_S, UTC)
