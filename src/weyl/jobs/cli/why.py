"""`weyl jobs why`: what keeps a job from running or made it fail, in a sentence, with what was found and a cure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Result
from weyl.jobs.calls import lists
from weyl.jobs.cli.selection import Selection, selects_jobs

JOBS_MAX = 100


@selects_jobs
def why(context: typer.Context, jobs: Selection) -> Result:
    """Explains why jobs wait, are held or failed, and what may be done about it.

    Example: weyl jobs why 4711
    """
    session = session_of(context)
    chosen = jobs.ids(session)
    if len(chosen) > JOBS_MAX:
        raise UsageFault(f"{len(chosen):,} jobs are too many to explain.", hint=f"Name at most {JOBS_MAX}.")
    found = [session.client.send(lists.explain(job_id)) for job_id in chosen]
    text = "\n\n".join("\n".join(lines(explanation)) for explanation in found)
    return Document(found if len(found) != 1 else found[0], text=text)


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that tell people what an explanation says."""
    since = f", for {_span(told['waiting_s'])}" if told["waiting_s"] is not None else ""
    yield f"Job {told['job_id']} ({told['status']}{since}): {told['verdict']}."
    if told["before"]:
        more = "more than " if any(each["or_more"] for each in told["before"]) else ""
        yield f"Before it: {more}{_counted(told['ahead'], 'job')}."
    for each in told["before"]:
        yield f"  {each['jobs']:>9,}{' or more' if each['or_more'] else ''} {each['what']}"
    yield from _findings(told["facts"])
    for limit in told["limits"]:
        yield f"Limit on {limit['limit']}: {used(limit)}{'' if limit['open'] else ', reached'}."
    if told["steps"] and "text" in told["steps"][0]:
        yield from _findings(told["steps"])
    elif told["steps"]:
        yield from _conditions(told["steps"])
    if told["nearest"]:
        yield ""
        yield "Kept away by one condition only:"
    for near in told["nearest"]:
        [failing] = near["fails"]
        offered, wanted = short(failing["offered"], failing["unit"]), short(failing["wanted"], failing["unit"])
        yield f"  {near['site']}, {_counted(near['pilots'], 'pilot')}: {failing['title']} {offered}, not {wanted}"
    if told["suggestions"]:
        yield ""
        yield "What you can do:"
    for suggestion in told["suggestions"]:
        yield f"  {suggestion['text']}"


def _findings(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    width = max((len(each["condition"]) for each in found), default=0)
    for each in found:
        yield f"{each['condition'] + ':':{width + 1}} {each['text']}"


def _conditions(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield ""
    yield f"{'condition':19}{'wanted':>28}{'best offered':>28}{'pilots left':>13}{'sites left':>12}"
    for step in steps:
        wanted, offered = short(step["wanted"], step["unit"]), short(step["best_offered"], step["unit"])
        yield f"{step['title']:19}{wanted:>28}{offered:>28}{step['pilots_left']:>13,}{step['sites_left']:>12}"
        if origin := step.get("origin"):
            yield f"  asked for by {origin}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def used(limit: Mapping[str, Any]) -> str:
    """Return how much of a limit is used."""
    said = [
        f"{limit[what]:,} of {limit[f'{what}_max']:,} {what}"
        for what in ("jobs", "cores")
        if limit[f"{what}_max"] is not None
    ]
    said += [f"{limit['delay_s']:g} s between starts"] if limit["delay_s"] else []
    return ", ".join(said)


def short(value: Any, unit: str | None = None) -> str:
    """Return a value of a condition as a column shows it; amounts have a unit."""
    match value:
        case None:
            text = "-"
        case list():
            text = ", ".join(map(str, value))
        case {"not": [*names]}:
            text = "not " + ", ".join(map(str, names))
        case int():
            text = f"{value:,} {unit or ''}".rstrip()
        case _:
            text = str(value)
    return text if len(text) <= 27 else text[:25] + ".."


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size, 1 if seconds < 10 * size else None)
            return f"{count:g} {unit}"
    return f"{seconds} s"
