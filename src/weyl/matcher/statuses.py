"""What a job does that does not wait for a pilot: a sentence, what is known of it, and what may be done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from weyl.config.models import Config
from weyl.config.operations import JobHealth, Operations
from weyl.jobs.holds import HoldReason
from weyl.jobs.queries.holds import HoldRow
from weyl.jobs.states import ENDED_BY_HAND, WANTED
from weyl.matcher.models import Finding, HoldShown, Suggestion
from weyl.matcher.queries.looks import ExplainedJob
from weyl.matcher.wording import moment, span

# A check takes seconds; what is in it for longer waits for a worker.
CHECKED_WITHIN = timedelta(minutes=2)
NAMED_MAX = 5
NOTHING = frozenset({"", "Unknown"})
_PLACES = {"site": "site", "se": "storage element", "catalog": "file catalogue"}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a job."""

    verdict: str
    steps: list[Finding]
    suggestions: list[Suggestion]


def told_of(job: ExplainedJob, job_id: int, *, config: Config, now: datetime) -> Told:
    """Say what a job does that neither waits for a pilot nor is held; of a failed one more is known elsewhere."""
    health = config.operations.get(job.vo, Operations()).job_health
    case = _Case(job, job_id, health, now)
    verdict = _VERDICTS.get(job.status, _other)(case)
    return Told(verdict, list(_steps(case)), list(_suggestions(case)))


@dataclass(frozen=True, slots=True)
class _Case:
    job: ExplainedJob
    job_id: int
    health: JobHealth
    now: datetime

    @property
    def heard_at(self) -> datetime:
        """When the job last gave a sign of life."""
        return self.job.heart_beat_time or self.job.last_update_time

    def patience(self, name: str) -> timedelta:
        """Return a time of the VO's `JobHealth`, or the one of the site."""
        own = self.health.per_site.get(self.job.site)
        seconds = None if own is None else getattr(own, name)
        return timedelta(seconds=getattr(self.health, name) if seconds is None else seconds)


def _checked(case: _Case) -> str:
    if case.now - case.job.last_update_time <= CHECKED_WITHIN:
        return "It is being checked; it then waits for a pilot"
    waited = span((case.now - case.job.last_update_time).total_seconds())
    return f"It has waited for {waited} to be checked, which takes seconds when workers run"


def _stalled(case: _Case) -> str:
    silent = span((case.now - case.heard_at).total_seconds())
    return f"Its pilot at {case.job.site} has not reported for {silent}"


def _completed(case: _Case) -> str:
    if case.job.output_state == WANTED:
        return "Its program ended well; its output data are being verified and registered"
    return "It ended well"


def _ended_by(verb: str) -> Callable[[_Case], str]:
    def sentence(case: _Case) -> str:
        who = case.job.ended_by or ""
        return f"{who.removeprefix('User: ')} {verb} it" if who.startswith("User: ") else f"It was {verb}"

    return sentence


def _other(case: _Case) -> str:
    return f"It does not wait for a pilot: it is {case.job.status}"


_VERDICTS: Mapping[str, Callable[[_Case], str]] = {
    "Submitting": lambda _: "It is being submitted",
    "Received": _checked,
    "Checking": _checked,
    "Rescheduled": _checked,
    "Staging": lambda _: "Its input files are being brought from tape to disk",
    "Matched": lambda case: f"A pilot at {case.job.site} has taken it and is about to start it",
    "Running": lambda case: f"It is running at {case.job.site}",
    "Stalled": _stalled,
    "Completing": lambda case: f"Its program at {case.job.site} has ended, and its outputs are on their way",
    "Completed": _completed,
    "Done": lambda _: "It ended well",
    "Killed": _ended_by("killed"),
    "Deleted": _ended_by("deleted"),
}


def _steps(case: _Case) -> Iterator[Finding]:
    job = case.job
    said = [text for text in (job.minor_status, job.application_status) if text not in NOTHING]
    # of those that somebody has ended it is the order that they report
    if said and job.status not in ENDED_BY_HAND:
        yield Finding(condition="Last report", text=": ".join(said))
    if job.host:
        yield Finding(condition="Host", text=f"{job.host} at {job.site}")
    if job.start_exec_time is not None:
        yield Finding(condition="Started", text=moment(job.start_exec_time))
    if job.heart_beat_time is not None and job.status in ("Matched", "Running", "Stalled", "Completing"):
        yield Finding(condition="Last heard of", text=moment(job.heart_beat_time))
    if job.status in ENDED_BY_HAND:
        yield Finding(condition=job.status, text=moment(job.last_update_time))
    if job.status == "Stalled":
        yield Finding(condition="Given up", text=f"at {moment(case.heard_at + case.patience('fail_after'))}")
    if job.status == "Matched":
        at = job.last_update_time + case.patience("matched_timeout")
        yield Finding(condition="Given up", text=f"at {moment(at)}, if its pilot does not report")


def _suggestions(case: _Case) -> Iterator[Suggestion]:
    job, job_id = case.job, case.job_id
    match job.status:
        case "Received" | "Checking" | "Rescheduled" if case.now - job.last_update_time > CHECKED_WITHIN:
            yield Suggestion(text="Ask an administrator whether workers run: weyl tasks list")
        case "Running":
            yield Suggestion(text=f"Follow its output: weyl jobs logs -f {job_id}")
        case "Stalled":
            yield Suggestion(text="Wait: it goes on if its pilot reports; once given up, it runs again elsewhere")
        case "Completed" if job.output_state == WANTED:
            yield Suggestion(text="Wait: it is Done once they are registered")
        case "Done" | "Completed":
            yield Suggestion(text=f"Fetch its output: weyl jobs output {job_id}")
        case "Killed":
            if job.start_exec_time is not None:
                yield Suggestion(text=f"See what it wrote until then: weyl jobs logs {job_id}")
            yield Suggestion(text="Submit it again if you want it to run")


def shown_hold(row: HoldRow) -> HoldShown:
    """Return what holds a job, as it is shown; one that was let go on is looked at in a moment."""
    return HoldShown(
        reason=row.reason,
        text=row.text,
        waits_for=row.names,
        since=row.since,
        until=row.woken_at or row.hold_until,
        tries=row.tries,
    )


def told_of_hold(hold: HoldShown, *, now: datetime) -> Told:
    """Say what a held job waits for, and when it is looked at again: it goes on only if nothing holds it then."""
    places = _places(hold)
    sooner = f"as soon as the {' or the '.join(places)} can be used" if places else ""
    if hold.until is not None and hold.until <= now:
        again = "now"
    elif hold.until is not None:
        again = f"at {moment(hold.until)}"
        again = f"{sooner}, at the latest {again}" if sooner else again
    else:
        again = sooner or ("when its files are on disk" if hold.reason == HoldReason.STAGING else "when that is done")
    steps = [Finding(condition="Held for", text=hold.text), Finding(condition="Held since", text=moment(hold.since))]
    steps += [Finding(condition="Looked at again", text=again)]
    if hold.tries:
        steps.append(Finding(condition="Looked at before", text="once" if hold.tries == 1 else f"{hold.tries} times"))
    text = hold.text.rstrip(".")
    verdict = f"It is held before it may wait for a pilot: {text}. It is looked at again {again}"
    return Told(verdict, steps, [Suggestion(text=_advice(hold))])


def _advice(hold: HoldShown) -> str:
    if hold.reason == HoldReason.UNKNOWN_SITE:
        return "Check the name: weyl sites list has the sites of your VO. If it is wrong, kill the job and submit again"
    return "Wait: it goes on if nothing holds it when it is looked at again"


def _places(hold: HoldShown) -> list[str]:
    places = [_place_named(name) for name in hold.waits_for[:NAMED_MAX]]
    more = len(hold.waits_for) - NAMED_MAX
    return [*places, f"{more} others"] if more > 0 else places


def _place_named(name: str) -> str:
    kind, _, place = name.partition(":")
    return f"{_PLACES.get(kind, kind)} {place}"
