"""The client's calls for finding and counting jobs."""

from typing import Any

from weyl.jobs.models.peek import Glance, Stream
from weyl.jobs.models.search import GroupSearch, LoggingRecord
from weyl.kit.call import Call
from weyl.kit.search import SearchParams, SummaryParams


def search(params: SearchParams, *, page: int = 1, per_page: int = 100) -> Call[list[dict[str, Any]]]:
    """Ask for the jobs that meet all conditions."""
    query = {"page": page, "per_page": per_page}
    return Call("POST", "/api/jobs/search", list[dict[str, Any]], query=query, body=params, unit="jobs")


def summary(params: SummaryParams) -> Call[list[dict[str, Any]]]:
    """Ask how many jobs there are of each kind."""
    return Call("POST", "/api/jobs/summary", list[dict[str, Any]], body=params, repeatable=True)


def groups(asked: GroupSearch) -> Call[list[dict[str, Any]]]:
    """Ask for job groups with how far each is, that of the newest job first."""
    return Call("POST", "/api/jobs/groups/search", list[dict[str, Any]], body=asked, unit="groups")


def parameters(job_id: int) -> Call[dict[str, Any]]:
    """Ask for what was reported about a job beside its columns."""
    return Call("GET", f"/api/jobs/{job_id}/parameters", dict[str, Any])


def peek(job_id: int, *, stream: Stream = Stream.OUTPUT, tail: int | None = None) -> Call[Glance]:
    """Ask for the last that a job has shown; one that runs then shows more."""
    query = {"stream": stream.value} | ({} if tail is None else {"tail": tail})
    return Call("POST", f"/api/jobs/{job_id}/peek", Glance, query=query, repeatable=True)


def requirements(job_id: int) -> Call[dict[str, Any]]:
    """Ask what a job needs of a pilot, what retries have changed of it, and what its earlier runs asked for."""
    return Call("GET", f"/api/jobs/{job_id}/requirements", dict[str, Any])


def history(job_id: int) -> Call[list[LoggingRecord]]:
    """Ask for the statuses that a job has had, oldest first."""
    return Call("GET", f"/api/jobs/{job_id}/history", list[LoggingRecord])


def explain(job_id: int) -> Call[dict[str, Any]]:
    """Ask why a job waits: condition by condition, the nearest misses, its place in the queue, and a sentence."""
    return Call("GET", f"/api/jobs/{job_id}/explain", dict[str, Any])
