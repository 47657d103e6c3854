"""Commands that end jobs or start them again: kill, delete, reschedule."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import NotFound, Refused, UsageFault
from weyl.client.results import Ids, Result, Rows
from weyl.jobs.calls import changes, lists
from weyl.jobs.cli.follow import ENDED
from weyl.jobs.cli.look import Where
from weyl.jobs.cli.selection import batches, conditions, find, job_ids
from weyl.jobs.models.status import SetJobStatusReturn
from weyl.jobs.states import JobStatus
from weyl.kit.call import Call
from weyl.kit.search import SearchParams

SELECTED = ("Status", "Owner")
JOBS_PER_REQUEST = 5_000

OptionalJobs = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of jobs, ranges such as 12..20, or - for stdin.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show which jobs it would be, and change nothing.")]


def kill(context: typer.Context, ids: OptionalJobs = None, *, where: Where = None, dry_run: DryRun = False) -> Result:
    """Ends jobs, wherever they are; a running payload is stopped at its next sign of life.

    With --where, jobs that have ended already are left alone.

    Example: weyl jobs kill --where "JobGroup = test and Status = Waiting" --yes
    """
    session = session_of(context)
    rows = _selected(session, ids, where)
    if where:
        # Who names jobs by a filter means those that can still be killed.
        rows = [row for row in rows if row["Status"] not in ENDED]
    if dry_run:
        return _preview(rows)
    session.confirm("kill", len(rows), breakdown=_breakdown(rows))
    return _change(session, rows, "killed", changes.kill, JobStatus.KILLED)


def delete(context: typer.Context, ids: OptionalJobs = None, *, where: Where = None, dry_run: DryRun = False) -> Result:
    """Removes jobs and their sandboxes; those that still live are killed first.

    Example: weyl jobs delete 12 13 --yes
    """
    session = session_of(context)
    rows = _selected(session, ids, where)
    if dry_run:
        return _preview(rows)
    session.confirm("delete", len(rows), breakdown=_breakdown(rows))
    return _change(session, rows, "deleted", changes.delete, JobStatus.DELETED)


def reschedule(
    context: typer.Context,
    ids: OptionalJobs = None,
    *,
    where: Where = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget how often they were rescheduled.")] = False,
    dry_run: DryRun = False,
) -> Result:
    """Runs jobs again, from their descriptions and with the same ids.

    Example: weyl jobs reschedule --where "Status = Failed and Site = LCG.CERN.ch" --yes
    """
    session = session_of(context)
    rows = _selected(session, ids, where)
    if dry_run:
        return _preview(rows)
    if where:
        session.confirm("reschedule", len(rows), breakdown=_breakdown(rows))
    done: list[int] = []
    failed: dict[Any, str] = {}
    for batch in batches([row["JobID"] for row in rows]):
        try:
            answer = session.client.send(changes.reschedule(batch, reset=reset))
        except Refused as error:
            answer = _answer_of(error)
        done += [int(job_id) for job_id in answer.get("success", {})]
        failed |= {int(job_id): _reason(why) for job_id, why in answer.get("failed", {}).items()}
    return Ids(done, f"Rescheduled {_jobs(len(done))}.", id_column="JobID", failed=failed)


def _selected(session: Session, ids: list[str] | None, where: str | None) -> list[dict[str, Any]]:
    if bool(ids) == bool(where):
        raise UsageFault(
            "Say which jobs: by ids or by --where.", hint='As: 12 13, or 12..20, or --where "JobGroup = test"'
        )
    if ids:
        return find(session, job_ids(session, ids), SELECTED)
    params = SearchParams(parameters=["JobID", *SELECTED], search=conditions(session, where=where))
    return list(session.client.rows(lists.search(params), limit=0))


def _breakdown(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return {f"{status} of {owner}": count for (status, owner), count in _counts(rows).most_common()}


def _counts(rows: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((str(row["Status"]), str(row["Owner"])) for row in rows)


def _preview(rows: list[dict[str, Any]]) -> Result:
    return Rows(rows, columns=("JobID", "Status", "Owner"), id_column="JobID", unit="jobs")


def _change(
    session: Session,
    rows: Sequence[Mapping[str, Any]],
    word: str,
    call: Callable[[Sequence[int]], Call[SetJobStatusReturn]],
    wanted: JobStatus,
) -> Result:
    before = {int(row["JobID"]): str(row["Status"]) for row in rows}
    done: list[int] = []
    failed: dict[Any, str] = {}
    for batch in batches(list(before), JOBS_PER_REQUEST):
        try:
            answer = session.client.send(call(batch)).model_dump(by_alias=True)
        except (NotFound, Refused) as error:
            answer = _answer_of(error)
        failed |= {int(job_id): _reason(why) for job_id, why in answer["failed"].items()}
        for job_id, change in answer["success"].items():
            if change["Status"] == wanted:
                done.append(int(job_id))
            else:
                failed[int(job_id)] = f"is {change['Status'] or before[int(job_id)]}, so it cannot be {word}"
    return Ids(done, f"{word.capitalize()} {_jobs(len(done))}.", id_column="JobID", failed=failed)


def _answer_of(error: NotFound | Refused) -> dict[str, Any]:
    if isinstance(error.details, dict) and "failed" in error.details:
        return {"success": {}, **error.details}
    raise error


def _reason(why: Any) -> str:
    return str(why.get("detail", why)) if isinstance(why, dict) else str(why)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"
