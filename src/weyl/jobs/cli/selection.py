"""Which jobs a command is about: ids, stdin, filters; and the columns that it may ask for."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from weyl.client.command import Session
from weyl.client.credentials import claims_of
from weyl.client.errors import NotFound, UsageFault
from weyl.client.filters import parse, parse_peer_condition, specs
from weyl.client.times import before
from weyl.jobs.calls import lists
from weyl.kit.search import ScalarSearchSpec, SearchParams, SearchSpec, SortDirection, SortSpec, VectorSearchSpec

COLUMNS = (
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
)
SEARCHABLE = (*COLUMNS, "PilotStamp")
SHOWABLE = (*COLUMNS, "LoggingInfo")
BATCH = 1_000


def job_ids(session: Session, arguments: list[str]) -> list[int]:
    """Return the job ids that were typed, or come on stdin for `-`; `12..20` and `12,13` are read too."""
    found: dict[int, None] = {}
    for word in session.read_ids(arguments):
        for part in word.split(","):
            found.update(dict.fromkeys(_range(part)))
    if not found:
        raise UsageFault("No job is named.", hint="Give job ids, or `-` to read them from stdin.")
    return list(found)


def _range(text: str) -> Iterable[int]:
    first, dots, last = text.partition("..")
    if first.isascii() and first.isdigit() and (not dots or (last.isascii() and last.isdigit())):
        return range(int(first), int(last or first) + 1)
    raise UsageFault(f"{text!r} is not the id of a job.", hint="A job id is a number; 12..20 is a range of them.")


def batches(ids: Sequence[int], size: int = BATCH) -> Iterator[list[int]]:
    """Cut many ids into pieces that fit in a request."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def by_ids(ids: Sequence[int]) -> SearchSpec:
    """Return the condition that a job is one of these."""
    return VectorSearchSpec.model_validate({"parameter": "JobID", "operator": "in", "values": list(ids)})


def find(session: Session, ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of jobs, in the order of their ids; raises NotFound if one is missing."""
    rows: dict[int, dict[str, Any]] = {}
    for batch in batches(ids):
        params = SearchParams(parameters=["JobID", *columns], search=[by_ids(batch)])
        rows |= {row["JobID"]: row for row in session.client.rows(lists.search(params), limit=0)}
    missing = [str(job_id) for job_id in ids if job_id not in rows]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise NotFound(
            f"There is no job {', '.join(missing[:5])}{more}, or it is not yours to see.",
            hint="Find your jobs with: weyl jobs search --mine",
        )
    return [rows[job_id] for job_id in ids]


def conditions(
    session: Session,
    *,
    where: str | None = None,
    peer: Iterable[str] = (),
    mine: bool = False,
    last: str | None = None,
) -> list[SearchSpec]:
    """Return the search specs of all ways to say which jobs are meant; they must all hold."""
    now = datetime.now(UTC)
    found: list[dict[str, Any]] = [parse_peer_condition(text) for text in peer]
    if where:
        found += specs(parse(where), now)
    if last:
        found.append({"parameter": "LastUpdateTime", "operator": "gt", "value": before(now, last)})
    if mine:
        found.append({"parameter": "Owner", "operator": "eq", "value": own_name(session)})
    for spec in found:
        check_columns([spec["parameter"]], SEARCHABLE)
    return [(VectorSearchSpec if "values" in spec else ScalarSearchSpec).model_validate(spec) for spec in found]


def own_name(session: Session) -> str:
    """Return the name under which the user owns jobs."""
    return str(claims_of(session.client.token()).get("preferred_username", ""))


def check_columns(names: Iterable[str], known: Sequence[str] = SHOWABLE) -> None:
    """Refuse a column that no job has, and name what is spelt nearly so."""
    for name in names:
        if name not in known:
            lowered = {each.lower(): each for each in known}
            near = [lowered[word] for word in get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
            hint = f"Did you mean: {', '.join(near)}?" if near else f"The columns are: {', '.join(known)}."
            raise UsageFault(f"Jobs have no column {name!r}.", hint=hint)


def sort_specs(text: str | None) -> list[SortSpec]:
    """Read `-JobID,Site`: columns, a minus in front for the other direction."""
    found: list[SortSpec] = []
    for word in (text or "").split(","):
        name = word.strip().lstrip("+-")
        if name:
            check_columns([name], COLUMNS)
            direction = SortDirection.DESC if word.strip().startswith("-") else SortDirection.ASC
            found.append(SortSpec(parameter=name, direction=direction))
    return found
