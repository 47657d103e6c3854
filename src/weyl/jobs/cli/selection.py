"""Which jobs a command is about: ids, stdin, filters; and the columns that it may ask for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from weyl.client.columns import Columns
from weyl.client.command import Session
from weyl.client.credentials import claims_of
from weyl.client.errors import NotFound, UsageFault
from weyl.jobs.calls import lists
from weyl.jobs.states import STATUSES
from weyl.kit.search import VALUES_MAX, SearchParams, SearchSpec, VectorSearchSpec

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
    only_shown=("LoggingInfo", "WorkflowID", "WorkflowParams"),
    only_searched=("PilotStamp", "FailureSignature", "InputFile", "WorkflowID"),
    values={"Status": STATUSES},
)
# Ids in one request.
BATCH = 5_000
# Ids that a command which needs them all at once may be given.
IDS_MAX = 1_000_000
MISSING = "does not exist, or is not yours to see"


def job_ids(session: Session, arguments: list[str]) -> list[int]:
    """Return the job ids that were typed, or come on stdin for `-`; `12..20` and `12,13` are read too."""
    found = list(dict.fromkeys(islice(stream_job_ids(session, arguments), IDS_MAX + 1)))
    if len(found) > IDS_MAX:
        raise UsageFault(f"More than {IDS_MAX:,} jobs are named.", hint="Name fewer, or take a filter: --where")
    if not found:
        raise UsageFault("No job is named.", hint="Give job ids, or `-` to read them from stdin.")
    return found


def stream_job_ids(session: Session, arguments: list[str]) -> Iterator[int]:
    """Yield job ids while they are read."""
    for word in session.stream_ids(arguments):
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
            hint="Give fewer ids, or select jobs with --group or --where",
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
) -> list[SearchSpec]:
    """Return the search specs of all ways to say which jobs are meant; they must all hold."""
    own = [{"parameter": "Owner", "operator": "eq", "value": own_name(session)}] if mine else []
    return COLUMNS.conditions(where=where, peer=peer, last=last, more=own)


def own_name(session: Session) -> str:
    """Return the name under which the user owns jobs."""
    return str(claims_of(session.client.token()).get("preferred_username", ""))
