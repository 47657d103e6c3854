"""What may be done about a job that waits or has failed, from what explains it; without a database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weyl.failures.models import FailureExplained
from weyl.matcher.models import Finding, LimitShown, Near, Suggestion

SUGGESTED_MAX = 3
RESCHEDULE = "reschedule"


def for_waiting(nearest: Sequence[Near], limits: Sequence[LimitShown], *, blocked: bool) -> list[Suggestion]:
    """Say what would let a waiting job run: what its author could ask for instead, or nothing but time."""
    if not blocked:
        closed = [limit.limit for limit in limits if not limit.open]
        if closed:
            return [Suggestion(text=f"Wait until other jobs end: the limit on {closed[0]} is reached")]
        return [Suggestion(text="Wait for its turn: pilots that fit it do come")]
    return [
        Suggestion(text=f"{_pilots(near.pilots)} at {near.site} would fit if {_instead(failing)}")
        for near in nearest[:SUGGESTED_MAX]
        for failing in near.fails
    ]


def _pilots(count: int) -> str:
    return f"{count:,} pilot{'' if count == 1 else 's'}"


def _instead(failing: Any) -> str:
    return f"{failing.condition} were {_shown(failing.offered)} instead of {_shown(failing.wanted)}"


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
    found = [Finding(condition="signature", wanted=failure.text, offered=failure.signature)]
    if failure.elsewhere is not None:
        found.append(Finding(condition="elsewhere", wanted="the same in the last day", offered=failure.elsewhere.count))
    if failure.exit_code is not None:
        found.append(Finding(condition="exit code", wanted=0, offered=failure.exit_code))
    if failure.host is not None:
        found.append(Finding(condition="host", wanted="open", offered=failure.host.standing or "nothing is known"))
    return [*found, Finding(condition="retry", wanted="another run", offered=failure.retry)]


def verdict_of(failure: FailureExplained, minor_status: str) -> str:
    """Say in a sentence why a job has failed, as far as it is known."""
    told = f"It has failed ({minor_status})"
    if failure.exit_meaning is not None and failure.exit_code:
        told += f" with exit code {failure.exit_code}. {failure.exit_meaning}"
    if failure.application_status is not None:
        lines = [line.strip().rstrip(".") for line in failure.application_status.splitlines() if line.strip()]
        told += f". Application status: {'; '.join(lines)}"
    return told


def for_failed(failure: FailureExplained) -> list[Suggestion]:
    """Say what may be done about a failed job."""
    return list(_for_failed(failure))


def _for_failed(failure: FailureExplained) -> Iterator[Suggestion]:
    if failure.note is not None:
        link = f" ({failure.note.link})" if failure.note.link else ""
        yield Suggestion(text=f"{failure.note.author} says of such failures: {failure.note.note}{link}")
    if failure.elsewhere is not None and len(failure.elsewhere.users) > 1:
        sites = len(failure.elsewhere.sites)
        place = f"at {next(iter(failure.elsewhere.sites))} only" if sites == 1 else f"at {sites} sites"
        users = len(failure.elsewhere.users)
        yield Suggestion(text=f"{users} users have this failure {place}: it need not be the fault of your program")
    match failure.error_class:
        case "memory":
            yield Suggestion(text="Ask for more memory and submit it again")
        case "time":
            yield Suggestion(text="Ask for more time, or do less in one job")
        case "payload":
            yield Suggestion(text="Look at the end of its output: the program itself has failed")
        case "output_upload":
            text = "Look whether it has left all its files, and what the storage elements say; then run it again"
            yield Suggestion(text=text, action=RESCHEDULE)
        case "input_data":
            text = "Look at the replicas of the file (weyl data replicas LFN); once one is good, run it again"
            yield Suggestion(text=text, action=RESCHEDULE)
        case "host" | "pilot" | "site":
            yield Suggestion(text="It is no fault of the job: run it again", action=RESCHEDULE)
