"""What may be done about a job that waits or has failed, from what explains it; without a database."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weyl.failures.cures import RESCHEDULE
from weyl.failures.models import Elsewhere, FailureExplained, HostHistory
from weyl.matcher.models import Failing, Finding, LimitShown, Near, PilotsThere, Suggestion
from weyl.matcher.wording import joined, moment

SUGGESTED_MAX = 3
NAMED_MAX = 3


def for_waiting(
    nearest: Sequence[Near], limits: Sequence[LimitShown], pilots: Sequence[PilotsThere], *, blocked: bool, seen: bool
) -> list[Suggestion]:
    """Say what would let a waiting job run: what its author could ask for instead, or nothing but time.

    `blocked`: pilots came in the last day, and none of them fits; `seen`: some of them fit.
    """
    if not blocked:
        closed = [limit.limit for limit in limits if not limit.open]
        if closed:
            return [Suggestion(text=f"Wait until other jobs end: the limit on {closed[0]} is reached")]
        if pilots:
            return [Suggestion(text="Wait for its turn: pilots that fit it exist")]
        if not seen:
            return [Suggestion(text="Look again in a few minutes. If still no pilot has come, ask your operators")]
        return [Suggestion(text="Wait for its turn: pilots that fit it came in the last day, and none exists now")]
    return [
        Suggestion(text=f"{_pilots(near.pilots)} at {near.site} would fit if {_instead(failing)}")
        for near, failing in _closest(nearest)[:SUGGESTED_MAX]
    ]


def _closest(nearest: Sequence[Near]) -> list[tuple[Near, Failing]]:
    """Return for each site and condition the pilots that come closest to what is wanted."""
    found: dict[tuple[str, str], tuple[Near, Failing]] = {}
    for near in nearest:
        for failing in near.fails:
            known = found.setdefault((near.site, failing.title), (near, failing))
            if _distance(failing) < _distance(known[1]):
                found[near.site, failing.title] = near, failing
    return list(found.values())


def _distance(failing: Failing) -> float:
    values = failing.wanted, failing.offered
    wanted, offered = (value if isinstance(value, int | float) else 0 for value in values)
    return abs(wanted - offered)


def _pilots(count: int) -> str:
    return f"{count:,} pilot{'' if count == 1 else 's'}"


def _instead(failing: Failing) -> str:
    unit = f" {failing.unit}" if failing.unit else ""
    return f"{failing.title} were {_shown(failing.offered)}{unit} instead of {_shown(failing.wanted)}{unit}"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "anything"
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case [*items]:
            return ", ".join(map(str, items)) or "nothing"
        case Mapping():
            return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return str(value)


def findings_of(failure: FailureExplained) -> list[Finding]:
    """Return what was looked at of a failed job, in the order in which people look."""
    return list(_findings(failure))


def _findings(failure: FailureExplained) -> Iterator[Finding]:
    link = f"/failures/{failure.signature}"
    yield Finding(condition="Kind of failure", text=f"{failure.text} ({failure.signature})", link=link)
    if failure.exit_code is not None:
        # what the verdict has said already is not said again
        meaning = "" if failure.exit_meaning == failure.cause else f": {failure.exit_meaning}"
        yield Finding(condition="Exit code", text=f"{failure.exit_code}{meaning}")
    if failure.elsewhere is not None:
        yield Finding(condition="Same failure in the last day", text=_elsewhere(failure.elsewhere), link=link)
    if failure.host is not None:
        yield Finding(
            condition="Worker node", text=f"{failure.host.host} at {failure.host.site} {_health(failure.host)}"
        )
    yield Finding(condition="Retry", text=failure.retry)
    for run in failure.earlier:
        place = f"{run.host} at {run.site}" if run.host else run.site
        said = ": ".join(text for text in (run.minor_status, run.application_status) if text not in ("", "Unknown"))
        yield Finding(condition=f"Run {run.number}", text=f"{said or 'ended'}, on {place}, {moment(run.ended_at)}")


def _elsewhere(elsewhere: Elsewhere) -> str:
    if elsewhere.count <= 1:
        return "this job only"
    told = f"{_counted(elsewhere.count, 'job')} at {_most(elsewhere.sites)}, of {_most(elsewhere.users)}"
    return told if elsewhere.first_seen is None else f"{told}; first seen {moment(elsewhere.first_seen)}"


def _most(counts: Mapping[str, int]) -> str:
    """Name those with most failures, with their numbers where they are several."""
    if not counts:
        return "no other place"
    if len(counts) == 1:
        return next(iter(counts))
    named = [f"{name} ({count:,})" for name, count in list(counts.items())[:NAMED_MAX]]
    return joined(named) if len(counts) <= NAMED_MAX else f"{', '.join(named)} and {len(counts) - NAMED_MAX} more"


def _health(host: HostHistory) -> str:
    if host.standing in (None, "open"):
        return "is healthy"
    return f"gets {host.standing}: {host.reason}" if host.reason else f"gets {host.standing}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def verdict_of(failure: FailureExplained) -> str:
    """Say in a sentence why a job has failed, as far as it is known."""
    said = [failure.minor_status]
    if failure.application_status is not None:
        lines = [line.strip().rstrip(".") for line in failure.application_status.splitlines() if line.strip()]
        said.append("; ".join(lines))
    told = f"It failed: {': '.join(said)}"
    return told if failure.cause is None else f"{told}. {failure.cause}"


def for_failed(failure: FailureExplained, job_id: int) -> list[Suggestion]:
    """Say what may be done about a failed job."""
    return list(_for_failed(failure, job_id))


def _for_failed(failure: FailureExplained, job_id: int) -> Iterator[Suggestion]:
    if failure.note is not None:
        link = f" ({failure.note.link})" if failure.note.link else ""
        yield Suggestion(text=f"{failure.note.author} says of such failures: {failure.note.note}{link}")
    if failure.elsewhere is not None and len(failure.elsewhere.users) > 1:
        sites = len(failure.elsewhere.sites)
        place = f"at {next(iter(failure.elsewhere.sites))} only" if sites == 1 else f"at {sites} sites"
        users = len(failure.elsewhere.users)
        yield Suggestion(text=f"{users} users have this failure {place}: it need not be the fault of your program")
    if failure.cure is not None:
        # Written for all jobs of a kind: here it is one of them.
        yield Suggestion(text=re.sub(r"\bID\b", str(job_id), failure.cure), action=failure.cure_action)
        return
    match failure.error_class:
        case "memory":
            yield Suggestion(text="Ask for more memory and submit it again")
        case "time":
            yield Suggestion(text="Ask for more time, or do less in one job")
        case "output_upload" | "input_data" | "host" | "pilot" | "site":
            yield Suggestion(text="The program is not to blame: run the job again", action=RESCHEDULE)
        case _:
            yield Suggestion(text=f"Read the end of its error output: weyl jobs logs --stderr {job_id}")
