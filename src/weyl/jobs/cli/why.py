"""`weyl jobs why`: the conditions that keep a job from running, in a table and a sentence."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Result
from weyl.jobs.calls import lists
from weyl.jobs.cli.selection import job_ids

JOBS_MAX = 100
_PLACES = ("sites", "users")

JobArguments = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of jobs, ranges such as 12..20.")]


def why(context: typer.Context, jobs: JobArguments) -> Result:
    """Explains why jobs wait (what each condition leaves of the pilots of the last day, who came nearest) or failed.

    Example: weyl jobs why 4711
    """
    session = session_of(context)
    chosen = job_ids(session, jobs)
    if len(chosen) > JOBS_MAX:
        raise UsageFault(f"{len(chosen):,} jobs are too many to explain.", hint=f"Name at most {JOBS_MAX}.")
    found = [session.client.send(lists.explain(job_id)) for job_id in chosen]
    text = "\n\n".join("\n".join(_lines(explanation)) for explanation in found)
    return Document(found if len(found) != 1 else found[0], text=text)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"Job {told['job_id']} ({told['status']}): {told['verdict']}."
    if told.get("position"):
        place = f"number {told['position']:,} of {told['jobs_in_class']:,} of its kind"
        yield f"It is {place} and has waited for {_span(told['waiting_s'])}."
    if share := told.get("share"):
        place = f"number {share['rank']} of {share['of']}"
        yield f"Its group {share['group']} is {place} in line, by what each has used of its share."
    for limit in told["limits"]:
        yield f"Limit on {limit['limit']}: {used(limit)}{'' if limit['open'] else ', reached'}."
    if told.get("failure"):
        yield from _failure(told["failure"])
    elif told["steps"]:
        yield ""
        yield f"{'condition':14}{'wanted':>28}{'best offered':>28}{'pilots left':>13}{'sites left':>12}"
    for step in () if told.get("failure") else told["steps"]:
        wanted, offered = short(step["wanted"]), short(step["best_offered"])
        yield f"{step['condition']:14}{wanted:>28}{offered:>28}{step['pilots_left']:>13,}{step['sites_left']:>12}"
        if origin := step.get("origin"):
            yield f"  asked for by {origin}"
    if told["nearest"]:
        yield ""
        yield "Kept away by one condition only:"
    for near in told["nearest"]:
        [failing] = near["fails"]
        offered = short(failing["offered"])
        yield f"  {near['site']}, {_counted(near['pilots'], 'pilot')}: {failing['condition']} {offered}"
    if told.get("failure"):
        yield from _suggestions(told)


def _failure(failure: Mapping[str, Any]) -> Iterator[str]:
    yield f"Signature {failure['signature']}: {failure['text']}"
    if elsewhere := failure["elsewhere"]:
        sites, users = ("; ".join(f"{name} {count:,}" for name, count in elsewhere[key].items()) for key in _PLACES)
        yield f"The same in the last day: {_counted(elsewhere['count'], 'time')} (sites: {sites}; users: {users})."
    if host := failure["host"]:
        yield f"Host {host['host']} at {host['site']} {_health(host)}."
    yield f"{failure['retry']}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _health(host: Mapping[str, Any]) -> str:
    if host["standing"] in (None, "open"):
        return "is healthy"
    reason = f": {host['reason']}" if host["reason"] else ""
    return f"gets {host['standing']}{reason}"


def _suggestions(told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("suggestions"):
        yield ""
        yield "What may be done:"
    for suggestion in told.get("suggestions") or ():
        yield f"  {suggestion['text']}"


def used(limit: Mapping[str, Any]) -> str:
    """Return how much of a limit is used."""
    said = [
        f"{limit[what]:,} of {limit[f'{what}_max']:,} {what}"
        for what in ("jobs", "cores")
        if limit[f"{what}_max"] is not None
    ]
    said += [f"{limit['delay_s']:g} s between starts"] if limit["delay_s"] else []
    return ", ".join(said)


def short(value: Any) -> str:
    """Return a value of a condition as a column shows it."""
    match value:
        case None:
            text = "-"
        case list():
            text = ", ".join(map(str, value))
        case {"not": [*names]}:
            text = "not " + ", ".join(map(str, names))
        case int():
            text = f"{value:,}"
        case _:
            text = str(value)
    return text if len(text) <= 27 else text[:25] + ".."


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"
