"""Commands that end jobs or start them again: kill, delete, reschedule."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import Forbidden, NotFound, Refused, UsageFault
from weyl.client.results import Ids, Result, Rows
from weyl.jobs.calls import changes, lists
from weyl.jobs.cli import bulk
from weyl.jobs.cli.selection import (
    BATCH,
    MISSING,
    Selection,
    batches,
    find_some,
    job_ids,
    no_such,
    own_name,
    selects_jobs,
    stream_job_ids,
)
from weyl.jobs.models.bulk import UNDO_S, UNDO_S_MAX, BulkAction, BulkFields, BulkOrder
from weyl.jobs.models.status import SetJobStatusReturn
from weyl.jobs.states import JobStatus
from weyl.jobs.waiting import ENDED
from weyl.kit.bounds import IDS_MAX
from weyl.kit.call import Call
from weyl.kit.search import SearchParams

SELECTED = ("Status", "Owner")
JOBS_PER_RESCHEDULE = 1_000

Failed = dict[Any, str]
Batch = list[dict[str, Any]]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show which jobs it would be, and change nothing.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the id of the operation, and do not wait for it.")]
Undo = Annotated[
    int,
    typer.Option(
        "--undo",
        metavar="S",
        min=0,
        max=UNDO_S_MAX,
        help="Above 1,000 jobs: seconds in which it can be cancelled before it begins.",
    ),
]


@selects_jobs
def kill(
    context: typer.Context,
    *,
    jobs: Selection,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    undo: Undo = UNDO_S,
) -> Result:
    """Ends jobs, wherever they are; a running payload is stopped at its next sign of life.

    With a filter, jobs that have ended already are left alone. More than 1,000 jobs are one operation of the server.

    Example: weyl jobs kill --job-group test --where "Status = Waiting" --yes
    """
    # Who names jobs by a filter means those that can still be killed.
    act = Act(
        BulkAction.KILL, "killed", partial(_change, call=changes.kill, wanted=JobStatus.KILLED, word="killed"), ENDED
    )
    chosen = Chosen(jobs, dry_run, no_wait, undo)
    return _act(session_of(context), act, chosen)


@selects_jobs
def delete(
    context: typer.Context,
    *,
    jobs: Selection,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    undo: Undo = UNDO_S,
) -> Result:
    """Removes jobs and their sandboxes; those that still live are killed first.

    Example: weyl jobs delete 12 13 --yes
    """
    act = Act(
        BulkAction.DELETE, "deleted", partial(_change, call=changes.delete, wanted=JobStatus.DELETED, word="deleted")
    )
    chosen = Chosen(jobs, dry_run, no_wait, undo)
    return _act(session_of(context), act, chosen)


@selects_jobs
def reschedule(
    context: typer.Context,
    *,
    jobs: Selection,
    reset: Annotated[bool, typer.Option("--reset", help="Forget how often they were rescheduled.")] = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    undo: Undo = UNDO_S,
) -> Result:
    """Runs jobs again, from their descriptions and with the same ids.

    Example: weyl jobs reschedule --where "Status = Failed and Site = LCG.CERN.ch" --yes
    """
    act = Act(
        BulkAction.RESCHEDULE,
        "rescheduled",
        partial(_reschedule, reset=reset),
        asks_for_ids=False,
        fields=BulkFields(reset=reset),
    )
    chosen = Chosen(jobs, dry_run, no_wait, undo)
    return _act(session_of(context), act, chosen)


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to jobs, a batch at a time: `act` returns the ids that it was done to, and notes the failed."""

    action: BulkAction
    participle: str
    act: Callable[[Session, Batch, Failed], list[int]]
    # Jobs with these statuses are not meant by a filter.
    spared: frozenset[str] = frozenset()
    # Whether it is harm enough to ask also when jobs are named by their ids.
    asks_for_ids: bool = True
    fields: BulkFields = field(default_factory=BulkFields)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which jobs were chosen on the command line, and how it is to be done."""

    jobs: Selection
    dry_run: bool
    no_wait: bool
    undo_s: int


def _act(session: Session, act: Act, chosen: Chosen) -> Result:
    jobs = chosen.jobs.checked()
    if not chosen.dry_run and (order := _order(session, act, chosen)) is not None:
        planned = bulk.plan(session, order)
        if planned.count > bulk.DIRECT_MAX or chosen.no_wait:
            is_asked = jobs.is_filter or act.asks_for_ids
            return bulk.carry_out(session, order, planned, is_asked=is_asked, waits=not chosen.no_wait)
    failed: Failed = {}
    rows = _matching(session, jobs, act.spared) if jobs.is_filter else _found(session, jobs.words, failed)
    if chosen.dry_run:
        return Rows(_flat(rows), columns=("JobID", *SELECTED), id_column="JobID", unit="jobs", failed=failed)
    if not session.options.yes and (jobs.is_filter or act.asks_for_ids):
        # All have to be known before anybody can be asked; with --yes they pass through, however many.
        known = list(_flat(rows))
        if known:
            session.confirm(str(act.action), len(known), breakdown=_breakdown(known))
        rows = _batches_of(known)
    done = _only_if_any((_to_own(session, act, batch, failed) for batch in rows), failed)
    sentence = f"{act.participle.capitalize()} "
    return Ids(done, lambda count: f"{sentence}{_jobs(count)}.", id_column="JobID", unit="jobs", failed=failed)


def _order(session: Session, act: Act, chosen: Chosen) -> BulkOrder | None:
    """Return the order as the server takes it for very many jobs; none for few ids, and for those read from stdin.

    The latter pass through, however many, and each is answered for.
    """
    more: dict[str, Any] = {"action": act.action, "fields": act.fields, "undo_s": chosen.undo_s}
    if chosen.jobs.is_filter:
        return BulkOrder(search=chosen.jobs.specs(session), **more)
    if chosen.jobs.words == ("-",) and not chosen.no_wait:
        return None
    ids = job_ids(session, chosen.jobs.words)
    if chosen.no_wait or bulk.DIRECT_MAX < len(ids) <= IDS_MAX:
        return BulkOrder(ids=ids, **more)
    return None


def _to_own(session: Session, act: Act, rows: Batch, failed: Failed) -> list[int]:
    """Act on a batch; if some of it are not the user's to change, which the server refuses as a whole, on the rest."""
    try:
        return act.act(session, rows, failed)
    except Forbidden:
        own = own_name(session)
        mine = [row for row in rows if row["Owner"] == own]
        if not mine or len(mine) == len(rows):
            raise
    failed |= {row["JobID"]: f"is a job of {row['Owner']}" for row in rows if row["Owner"] != own}
    return act.act(session, mine, failed)


def _found(session: Session, ids: Sequence[str], failed: Failed) -> Iterator[Batch]:
    """Yield rows of the jobs that were named, and note which there are not."""
    is_named = False
    for batch in batches(stream_job_ids(session, ids)):
        rows, missing = find_some(session, batch, SELECTED)
        failed |= dict.fromkeys(missing, MISSING)
        is_named = True
        if rows:
            yield rows
    if not is_named:
        raise UsageFault("No job is named.", hint="Give job ids, or `-` to read them from stdin.")


def _matching(session: Session, jobs: Selection, spared: frozenset[str]) -> Iterator[Batch]:
    params = SearchParams(parameters=["JobID", *SELECTED], search=jobs.specs(session))
    # All of them before the first is changed: what changes may leave the filter, and the pages behind it move.
    found = session.client.rows(lists.search(params), limit=0, per_page=BATCH)
    yield from _batches_of([row for row in found if row["Status"] not in spared])


def _batches_of(rows: Batch) -> Iterator[Batch]:
    """Cut rows into pieces that fit in a request."""
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _flat(batches_of_rows: Iterable[Batch]) -> Iterator[dict[str, Any]]:
    return (row for batch in batches_of_rows for row in batch)


def _only_if_any(done: Iterable[list[int]], failed: Failed) -> Iterator[int]:
    """Yield what was done; if that is nothing because no job exists, say so as for any other command."""
    count = 0
    for batch in done:
        count += len(batch)
        yield from batch
    if count == 0 and failed and all(reason == MISSING for reason in failed.values()):
        raise no_such(list(failed))


def _breakdown(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {f"{status} of {owner}": count for (status, owner), count in _counts(rows).most_common()}


def _counts(rows: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((str(row["Status"]), str(row["Owner"])) for row in rows)


def _change(
    session: Session,
    rows: Batch,
    failed: Failed,
    *,
    call: Callable[[Sequence[int]], Call[SetJobStatusReturn]],
    wanted: JobStatus,
    word: str,
) -> list[int]:
    before = {int(row["JobID"]): str(row["Status"]) for row in rows}
    done: list[int] = []
    try:
        answer = session.client.send(call(list(before))).model_dump(by_alias=True)
    except (NotFound, Refused) as error:
        answer = _answer_of(error)
    failed |= {int(job_id): _reason(why) for job_id, why in answer["failed"].items()}
    for job_id, change in answer["success"].items():
        if change["Status"] == wanted:
            done.append(int(job_id))
        else:
            failed[int(job_id)] = f"is {change['Status'] or before[int(job_id)]}, so it cannot be {word}"
    return done


def _reschedule(session: Session, rows: Batch, failed: Failed, *, reset: bool) -> list[int]:
    done: list[int] = []
    for batch in batches([int(row["JobID"]) for row in rows], JOBS_PER_RESCHEDULE):
        try:
            answer = session.client.send(changes.reschedule(batch, reset=reset))
        except Refused as error:
            answer = _answer_of(error)
        done += [int(job_id) for job_id in answer.get("success", {})]
        failed |= {int(job_id): _reason(why) for job_id, why in answer.get("failed", {}).items()}
    return done


def _answer_of(error: NotFound | Refused) -> dict[str, Any]:
    if isinstance(error.details, dict) and "failed" in error.details:
        return {"success": {}, **error.details}
    raise error


def _reason(why: Any) -> str:
    return str(why.get("detail", why)) if isinstance(why, dict) else str(why)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
