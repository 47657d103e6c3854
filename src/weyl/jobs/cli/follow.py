"""Commands that stay with jobs: wait, watch, logs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import EndedInFailure, Interrupted, NotFound, StillWaiting, Unreachable
from weyl.client.results import Cleared, Done, Events, Result, Text
from weyl.client.times import parse_span
from weyl.descriptions import jdl
from weyl.descriptions.attributes import text_of
from weyl.jobs.calls import lists, submission
from weyl.jobs.cli.look import raise_failed
from weyl.jobs.cli.outage import Outage
from weyl.jobs.cli.selection import COLUMNS, Selection, find, nothing_matches, selects_jobs
from weyl.jobs.models.peek import Stream
from weyl.jobs.states import JobStatus
from weyl.jobs.waiting import ENDED, GOOD, Wait, tally
from weyl.kit.plain_text import one_line
from weyl.kit.search import SearchParams, SearchSpec
from weyl.sandboxes import calls as sandbox_calls
from weyl.sandboxes.transfer import read

FOLLOW_S = 2.0
WATCHED_MAX = 10_000
ADVISED_MAX = 5


@selects_jobs
def wait(
    context: typer.Context,
    *,
    jobs: Selection,
    until: Annotated[
        str | None, typer.Option("--for", metavar="STATUS", help="Wait for these, as Done,Failed; else for any end.")
    ] = None,
    any_one: Annotated[bool, typer.Option("--any", help="Until one of the jobs is there.")] = False,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="SPAN", help="Give up after this, as 2h.")] = None,
) -> Result:
    """Waits until jobs have ended: exit 0 if all went well, 9 if one failed, 8 if time ran out.

    Example: weyl jobs wait 12 13 --timeout 2h
    """
    wanted = frozenset(word.strip() for word in until.split(",") if word.strip()) if until else None
    if wanted:
        COLUMNS.check_values("Status", wanted)
    session = session_of(context)
    timeout_s = parse_span(timeout).total_seconds() if timeout else None
    return wait_for(session, jobs.ids(session), wanted=wanted, any_one=any_one, timeout_s=timeout_s)


def wait_for(
    session: Session,
    ids: Sequence[int],
    *,
    wanted: frozenset[str] | None = None,
    any_one: bool = False,
    timeout_s: float | None = None,
) -> Result:
    """Wait for jobs and return what to say about it, or raise how it failed."""
    waited = Wait(ids, wanted=wanted, any_one=any_one)
    try:
        for news in looks(session, waited, timeout_s=timeout_s):
            if news and session.stdout_is_terminal and waited.verdict() is None:
                session.say(tally(waited.statuses.values()))
    except KeyboardInterrupt:
        raise _come_back(ids) from None
    return _ended(waited.statuses, bool(waited.verdict()))


def looks(
    session: Session,
    waited: Wait,
    *,
    timeout_s: float | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[dict[int, str]]:
    """Look at jobs until what is waited for is there, and yield what each look finds new.

    Each look is at the jobs that have not ended, in searches of many, and the last one at all: some may run again.
    Raises `StillWaiting` when time is over. `sleep` ends the looks if it returns true.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    outage = Outage(session.say)
    asked: Sequence[int] = waited.ids
    while True:
        found: dict[int, str] = {}
        try:
            found = {row["JobID"]: str(row["Status"]) for row in find(session, asked, ("Status",))}
            outage.end()
        except Unreachable as error:
            if not waited.statuses:
                raise
            outage.bear(error, time.monotonic())
        yield waited.accept(found)
        if waited.verdict() is not None:
            if len(asked) == len(waited.ids):
                return
            asked = waited.ids
            continue
        asked = waited.open_ids()
        left_s = None if deadline is None else deadline - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise StillWaiting(f"Not there yet: {tally(waited.statuses.values())}.", hint="The jobs go on.")
        if sleep(waited.pause_s if left_s is None else min(waited.pause_s, left_s)):
            return


def _ended(statuses: dict[int, str], is_good: bool) -> Result:
    if is_good:
        return Done(
            f"Ended: {tally(statuses.values())}.", document={str(key): value for key, value in statuses.items()}
        )
    bad = [job_id for job_id, status in statuses.items() if status in ENDED - GOOD]
    hint = why_hint(bad or list(statuses))
    raise EndedInFailure(f"Ended: {tally(statuses.values())}.", hint=hint, details=statuses)


def why_hint(job_ids: Sequence[int]) -> str:
    """Return the line that says how to learn why jobs ended as they did; of many it names a few."""
    return f"See why: weyl jobs why {' '.join(map(str, job_ids[:ADVISED_MAX]))}"


def _come_back(ids: Sequence[int]) -> Interrupted:
    words = " ".join(map(str, ids)) if len(ids) <= 10 else f"{ids[0]}..{ids[-1]}"
    return Interrupted("Stopped waiting; the jobs go on.", hint=f"Come back with: weyl jobs wait {words}")


@selects_jobs
def watch(
    context: typer.Context,
    *,
    jobs: Selection,
    group: Annotated[str | None, typer.Option("--group", metavar="G", help="The same as --job-group.")] = None,
    every: Annotated[float, typer.Option("--every", metavar="S", min=0.2, help="Seconds between looks.")] = 2.0,
) -> Result:
    """Shows how jobs move, until all have ended: a live count on a terminal, one JSON line per change elsewhere.

    Example: weyl jobs watch --job-group my-analysis
    """
    session = session_of(context)
    specs = (replace(jobs, job_group=group) if group else jobs).checked().specs(session)
    if session.stdout_is_terminal and session.options.output in (None, "table", "wide"):
        return Text(_screens(session, specs, every))
    return Events(_changes(session, specs, every))


def _looks(session: Session, specs: list[SearchSpec], every_s: float) -> Iterator[list[dict[str, Any]]]:
    columns = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "Site"]
    call = lists.search(SearchParams(parameters=columns, search=specs))
    outage = Outage(session.say)
    rows: list[dict[str, Any]] | None = None
    while True:
        try:
            before, rows = rows, list(session.client.rows(call, limit=WATCHED_MAX))
            outage.end()
            if before is None and not rows:
                raise nothing_matches()
        except Unreachable as error:
            if rows is None:
                raise
            outage.bear(error, time.monotonic())
        yield rows
        if all(row["Status"] in ENDED for row in rows):
            return
        time.sleep(every_s)


def _changes(session: Session, specs: list[SearchSpec], every_s: float) -> Iterator[dict[str, Any]]:
    seen: dict[int, dict[str, Any]] = {}
    for rows in _looks(session, specs, every_s):
        yield from (row for row in rows if seen.get(row["JobID"]) != row)
        seen = {row["JobID"]: row for row in rows}


def _screens(session: Session, specs: list[SearchSpec], every_s: float) -> Iterator[str | Cleared]:
    seen: dict[int, dict[str, Any]] = {}
    recent: list[str] = []
    for rows in _looks(session, specs, every_s):
        changed = [row for row in rows if seen.get(row["JobID"]) != row]
        stamp = time.strftime("%H:%M:%S")
        shown = [one_line(f"{row['JobID']}  {row['Status']}  {row['MinorStatus']}  {row['Site']}") for row in changed]
        recent += [f"{stamp}  {line}" for line in shown]
        recent = recent[-15:]
        seen = {row["JobID"]: row for row in rows}
        counts = Counter(str(row["Status"]) for row in rows)
        table = "\n".join(f"{status:<12} {count:>7,}" for status, count in sorted(counts.items()))
        changes = "\n".join(recent)
        yield Cleared()
        yield f"{len(rows):,} jobs, {stamp}\n\n{table}\n\nLast changes\n{changes}\n"


@selects_jobs
def logs(
    context: typer.Context,
    *,
    jobs: Selection,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="The job's standard error.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", metavar="N", min=0, help="The last N lines only.")] = None,
) -> Result:
    """Prints the output of jobs: the last lines while they run, everything when they have ended.

    Several jobs get a line with the id of each; what is not there is said, and the others follow.

    Example: weyl jobs logs 12 -f
    """
    session = session_of(context)
    if follow:
        return Text(follow_output(session, jobs.one(session, "logs -f"), stderr=stderr, raise_failure=False))
    [job_id, *others] = ids = jobs.ids(session)
    if not others:
        return Text([_output_of(session, job_id, stderr=stderr, tail=tail)])
    return Text(_outputs_of(session, ids, stderr=stderr, tail=tail))


def _outputs_of(session: Session, ids: Sequence[int], *, stderr: bool, tail: int | None) -> Iterator[str]:
    failed: dict[int, str] = {}
    for job_id in ids:
        try:
            text = _output_of(session, job_id, stderr=stderr, tail=tail)
        except NotFound as error:
            failed[job_id] = error.message
            continue
        yield f"==> job {job_id} <==\n{text}"
    if len(failed) == len(ids):
        for message in failed.values():
            session.say(message)
        raise NotFound(f"None of the {len(ids):,} jobs has output.", hint="")
    raise_failed(failed, done=len(ids) - len(failed))


def _output_of(session: Session, job_id: int, *, stderr: bool, tail: int | None) -> str:
    """Return what a job has written, as far as it is known, or raise why there is nothing."""
    [row] = find(session, [job_id], ("Status", "MinorStatus", "ApplicationStatus", "WorkflowID"))
    if row["Status"] in ENDED:
        text = final_output(session, job_id, stderr=stderr)
        if text is None:
            text = _instead_of_output(session, row, stderr=stderr)
    elif stderr:
        raise NotFound(f"Job {job_id} is {row['Status']}: its standard error comes when it has ended.", hint="")
    else:
        text = running_output(session, job_id)
        if text is None:
            raise NotFound(
                f"Job {job_id} is {row['Status']} and has not shown any output yet.", hint="Try again with -f."
            )
    return last_lines(text, tail)


@selects_jobs
def peek(
    context: typer.Context,
    *,
    jobs: Selection,
    stderr: Annotated[bool, typer.Option("--stderr", help="Its standard error.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", metavar="N", min=0, help="Only so many lines.")] = None,
) -> Result:
    """Prints the last lines that a running job has shown, and asks it to show more for the next ten minutes.

    Example: weyl jobs peek 12
    """
    session = session_of(context)
    job_id = jobs.one(session, "peek")
    seen = session.client.send(lists.peek(job_id, stream=Stream.ERROR if stderr else Stream.OUTPUT, tail=tail))
    if seen.text is None:
        hint = f"It has ended: weyl jobs logs {job_id}" if seen.status in ENDED else "Try again in a minute."
        raise NotFound(f"Job {job_id} is {seen.status} and has not shown any output.", hint=hint)
    return Text([last_lines(seen.text, None)])


def _instead_of_output(session: Session, row: dict[str, Any], *, stderr: bool) -> str:
    """Return what there is of an output that did not come back, or raise why there is none."""
    job_id, status = row["JobID"], row["Status"]
    if status == JobStatus.DELETED:
        raise NotFound(f"Job {job_id} is Deleted, and its output with it.", hint="")
    reason = ", ".join(row[name] for name in ("MinorStatus", "ApplicationStatus") if row[name] != "Unknown")
    has_sandbox = bool(session.client.send(sandbox_calls.get_job_sandbox(job_id, "output")))
    if has_sandbox or status in GOOD:
        # Empty streams do not travel.
        stream = "error" if stderr else "output"
        session.say(f"Job {job_id} is {status} ({reason}) and wrote nothing to its standard {stream}.")
        if not stderr and status not in GOOD:
            session.say(f"See its standard error: weyl jobs logs --stderr {job_id}")
        elif not stderr and row["WorkflowID"]:
            session.say(f"What its tools wrote into files is among its outputs: weyl jobs output {job_id}")
        return ""
    text = None if stderr else running_output(session, job_id)
    if text is None:
        raise NotFound(f"Job {job_id} is {status} ({reason}) and left no output.", hint=why_hint([job_id]))
    session.say(f"Job {job_id} is {status}, and its output is not back; the last lines as it ran:")
    return text


def running_output(session: Session, job_id: int) -> str | None:
    """Return the last lines that the job has shown while it runs."""
    value = session.client.send(lists.parameters(job_id)).get("StandardOutput")
    return None if value is None else str(value)


def final_output(session: Session, job_id: int, *, stderr: bool = False) -> str | None:
    """Return the whole output of a job that has ended, from its output sandbox; None if it left none."""
    pfns = session.client.send(sandbox_calls.get_job_sandbox(job_id, "output"))
    document = jdl.parse(session.client.send(submission.get_jdl(job_id)))
    attribute = "StdError" if stderr else "StdOutput"
    name = text_of(document.get(attribute), attribute) or ("std.err" if stderr else "std.out")
    for pfn in reversed(pfns):
        content = read(session.client, pfn, name)
        if content is not None:
            return content.decode(errors="replace")
    return None


def last_lines(text: str, count: int | None) -> str:
    """Return the last lines of a text, ended by a line feed."""
    if count is not None:
        text = "".join(text.splitlines(keepends=True)[-count:] if count else [])
    return text if not text or text.endswith("\n") else text + "\n"


def follow_output(session: Session, job_id: int, *, stderr: bool = False, raise_failure: bool = True) -> Iterator[str]:
    """Yield the output of a job as it becomes known, until the job has ended."""
    shown = ""
    row: dict[str, Any] = {}
    outage = Outage(session.say)
    try:
        while not row or row["Status"] not in ENDED:
            if row:
                time.sleep(FOLLOW_S)
            try:
                row, text = _look_at_output(session, job_id, stderr=stderr)
                outage.end()
            except Unreachable as error:
                if not row:
                    raise
                outage.bear(error, time.monotonic())
                continue
            new = fresh_part(shown, text or "")
            shown += new
            if new:
                yield new
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped following; the job goes on.", hint=f"Come back: weyl jobs logs -f {job_id}"
        ) from None
    if shown and not shown.endswith("\n"):
        yield "\n"
    session.say(f"Job {job_id}: {row['Status']}, {row['MinorStatus']}")
    if raise_failure and row["Status"] not in GOOD:
        raise EndedInFailure(f"Job {job_id} ended as {row['Status']}.", hint=why_hint([job_id]))


def _look_at_output(session: Session, job_id: int, *, stderr: bool) -> tuple[dict[str, Any], str | None]:
    [row] = find(session, [job_id], ("Status", "MinorStatus"))
    if row["Status"] in ENDED:
        return row, final_output(session, job_id, stderr=stderr)
    return row, None if stderr else running_output(session, job_id)


def fresh_part(shown: str, text: str) -> str:
    """Return what of `text` was not shown yet: `text` is the whole output, or only its last lines."""
    if text.startswith(shown):
        return text[len(shown) :]
    # Only the end is known: what was shown last is looked for in it, line by line.
    lines = shown.splitlines(keepends=True)
    for start in range(max(0, len(lines) - 40), len(lines)):
        overlap = "".join(lines[start:])
        at = text.find(overlap)
        if at >= 0:
            return text[at + len(overlap) :]
    return text
