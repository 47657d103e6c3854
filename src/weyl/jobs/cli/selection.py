"""Which jobs a command is about: ids, stdin, filters; and the columns that it may ask for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from itertools import islice
from typing import Annotated, Any

import typer

from weyl.client.columns import Columns, Where
from weyl.client.command import Session
from weyl.client.credentials import claims_of
from weyl.client.errors import NotFound, UsageFault
from weyl.client.results import Result
from weyl.jobs.calls import lists
from weyl.jobs.states import STATUSES
from weyl.kit.search import VALUES_MAX, SearchParams, SearchSpec, SortDirection, SortSpec, VectorSearchSpec

COLUMNS = Columns(
    noun="Jobs",
    id_column="JobID",
    names=(
        "JobID",
        "JobType",
        "JobGroup",
        "Site",
        "JobName",
        "Owner",
        "OwnerGroup",
        "VO",
        "SubmissionTime",
        "RescheduleTime",
        "LastUpdateTime",
        "StartExecTime",
        "HeartBeatTime",
        "EndExecTime",
        "Status",
        "MinorStatus",
        "ApplicationStatus",
        "UserPriority",
        "RescheduleCounter",
        "VerifiedFlag",
        "AccountedFlag",
    ),
    number="JobID",
    # What DiracX's command shows too.
    default=(
        "JobID",
        "Status",
        "MinorStatus",
        "ApplicationStatus",
        "JobGroup",
        "Site",
        "JobName",
        "Owner",
        "LastUpdateTime",
    ),
    only_shown=("RunTime", "LoggingInfo", "WorkflowID", "WorkflowParams"),
    only_searched=("RunTime", "PilotStamp", "FailureSignature", "InputFile", "WorkflowID"),
    values={"Status": STATUSES},
)
# Ids in one request.
BATCH = 5_000
# Ids that a command which needs them all at once may be given.
IDS_MAX = 1_000_000
MISSING = "does not exist, or is not yours to see"
HOW = 'As: 12 13, or 12..20, or --job-group my-analysis, or --where "Status = Failed" --mine'


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs that a command line names: by ids, or by filters, which must all hold."""

    words: Sequence[str] = ()
    where: str | None = None
    job_group: str | None = None
    mine: bool = False
    last: str | None = None

    @property
    def is_filter(self) -> bool:
        """Whether filters say which jobs."""
        return bool(self.where or self.job_group or self.mine or self.last)

    def checked(self) -> "Selection":
        """Return the same selection; raises `UsageFault` if it names no jobs, or names them in both ways."""
        if self.is_filter == bool(self.words):
            what = "Jobs are named by ids or by filters, not by both." if self.words else "Say which jobs."
            raise UsageFault(what, hint=HOW)
        return self

    def specs(self, session: Session) -> list[SearchSpec]:
        """Return the conditions of the filters, or that a job is one of those named."""
        if not self.is_filter:
            return [by_ids(job_ids(session, self.checked().words))]
        return conditions(session, where=self.where, mine=self.mine, last=self.last, job_group=self.job_group)

    def ids(self, session: Session) -> list[int]:
        """Return the ids as they were typed, or those that the filters find, the newest first.

        Raises `NotFound` if the filters find none.
        """
        if not self.checked().is_filter:
            return job_ids(session, self.words)
        newest = SortSpec(parameter="JobID", direction=SortDirection.DESC)
        params = SearchParams(parameters=["JobID"], search=self.specs(session), sort=[newest])
        rows = session.client.rows(lists.search(params), limit=session.options.limit or IDS_MAX + 1, per_page=BATCH)
        found = [int(row["JobID"]) for row in rows]
        if not found:
            raise nothing_matches()
        if len(found) > IDS_MAX:
            raise UsageFault(f"More than {IDS_MAX:,} jobs match.", hint="Narrow the filter down, or take --limit")
        return found

    def one(self, session: Session, command: str) -> int:
        """Return the only job that is named; raises `UsageFault` if there are several."""
        [first, *others] = self.ids(session)
        if others:
            hint = f"As: weyl jobs {command} {first}"
            raise UsageFault(f"`{command}` takes one job, not {len(others) + 1:,}.", hint=hint)
        return first


Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of jobs, ranges such as 12..20, or - for stdin.")
]
JobGroup = Annotated[str | None, typer.Option("--job-group", metavar="G", help="The jobs of this job group.")]
Mine = Annotated[bool, typer.Option("--mine", help="Only your own jobs.")]
Last = Annotated[str | None, typer.Option("--last", metavar="SPAN", help="Only jobs updated in this time, as 2d.")]
_SELECTING: dict[str, tuple[Any, Any]] = {
    "ids": (Ids, None),
    "where": (Where, None),
    "job_group": (JobGroup, None),
    "mine": (Mine, False),
    "last": (Last, None),
}


def selects_jobs(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command the one way to name jobs: ids, `--where`, `--job-group`, `--mine`, `--last`.

    It gets them as one `Selection`, in its parameter `jobs`.
    """

    @wraps(command)
    def run(context: typer.Context, **options: Any) -> Result:
        words, *filters = (options.pop(name) for name in _SELECTING)
        return command(context, jobs=Selection(tuple(words or ()), *filters), **options)

    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _SELECTING.items()
    ]
    own = signature(command).parameters
    context, *others = (each for each in own.values() if each.name != "jobs")
    kept = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in others]
    run.__signature__ = Signature([context, *added, *kept])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (context, *added, *kept)}
    return run


def nothing_matches() -> NotFound:
    """Return the error that filters find no jobs."""
    return NotFound("No job matches.", hint="See what there is: weyl jobs summary --by JobGroup,Status --mine")


def job_ids(session: Session, arguments: Sequence[str]) -> list[int]:
    """Return the job ids that were typed, or come on stdin for `-`; `12..20` and `12,13` are read too."""
    found = list(dict.fromkeys(islice(stream_job_ids(session, arguments), IDS_MAX + 1)))
    if len(found) > IDS_MAX:
        raise UsageFault(f"More than {IDS_MAX:,} jobs are named.", hint="Name fewer, or take a filter: --where")
    if not found:
        raise UsageFault("No job is named.", hint="Give job ids, or `-` to read them from stdin.")
    return found


def stream_job_ids(session: Session, arguments: Sequence[str]) -> Iterator[int]:
    """Yield job ids while they are read."""
    for word in session.stream_ids(list(arguments)):
        for part in word.split(","):
            yield from _range(part)


def _range(text: str) -> Iterable[int]:
    first, dots, last = text.partition("..")
    if first.isascii() and first.isdigit() and (not dots or (last.isascii() and last.isdigit())):
        return range(int(first), int(last or first) + 1)
    raise UsageFault(f"{text!r} is not the id of a job.", hint="A job id is a number; 12..20 is a range of them.")


def batches(ids: Iterable[int], size: int = BATCH) -> Iterator[list[int]]:
    """Cut many ids into pieces that fit in a request."""
    source = iter(ids)
    while batch := list(dict.fromkeys(islice(source, size))):
        yield batch


def by_ids(ids: Sequence[int]) -> SearchSpec:
    """Return the condition that a job is one of these; raises `UsageFault` if they are too many for one search."""
    if len(ids) > VALUES_MAX:
        raise UsageFault(
            f"{len(ids):,} jobs: one search takes at most {VALUES_MAX:,}.",
            hint="Give fewer ids, or select jobs with --job-group or --where",
        )
    return VectorSearchSpec.model_validate({"parameter": "JobID", "operator": "in", "values": list(ids)})


def find(session: Session, ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of jobs, in the order of their ids; raises NotFound if one is missing."""
    rows, missing = find_some(session, ids, columns)
    if missing:
        raise no_such(missing)
    return rows


def no_such(missing: Sequence[int]) -> NotFound:
    """Return the error that jobs do not exist for this user."""
    more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
    return NotFound(
        f"There is no job {', '.join(map(str, missing[:5]))}{more}, or it is not yours to see.",
        hint="Find your jobs with: weyl jobs search --mine",
    )


def find_most(session: Session, ids: Sequence[int], columns: Sequence[str]) -> tuple[list[dict[str, Any]], Any]:
    """Return the rows of jobs and, id -> reason, those that are missing; raises NotFound if all are."""
    rows, missing = find_some(session, ids, columns)
    if missing and not rows:
        raise no_such(missing)
    return rows, dict.fromkeys(missing, MISSING)


def find_some(session: Session, ids: Sequence[int], columns: Sequence[str]) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the rows of jobs in the order of their ids, and the ids that nothing was found for."""
    rows: dict[int, dict[str, Any]] = {}
    for batch in batches(ids):
        params = SearchParams(parameters=["JobID", *columns], search=[by_ids(batch)])
        stream = session.client.rows(lists.search(params), limit=0, per_page=BATCH)
        rows |= {row["JobID"]: row for row in stream}
    return [rows[job_id] for job_id in ids if job_id in rows], [job_id for job_id in ids if job_id not in rows]


def conditions(
    session: Session,
    *,
    where: str | None = None,
    peer: Iterable[str] | None = None,
    mine: bool = False,
    last: str | None = None,
    job_group: str | None = None,
) -> list[SearchSpec]:
    """Return the search specs of all ways to say which jobs are meant; they must all hold."""
    more = {"Owner": own_name(session) if mine else None, "JobGroup": job_group}
    said = [{"parameter": name, "operator": "eq", "value": value} for name, value in more.items() if value is not None]
    return COLUMNS.conditions(where=where, peer=peer, last=last, more=said)


def own_name(session: Session) -> str:
    """Return the name under which the user owns jobs."""
    return str(claims_of(session.client.token()).get("preferred_username", ""))
