"""The client's calls by which running jobs report."""

from collections.abc import Mapping
from typing import Any

from weyl.jobs.models.heartbeat import HeartbeatData, JobCommand
from weyl.kit.call import Call


def heartbeat(data: Mapping[int, HeartbeatData]) -> Call[list[JobCommand]]:
    """Report that jobs live, and ask what they are to do; commands come once, so it is not repeated."""
    body = {str(job_id): values.model_dump(by_alias=True, exclude_none=True) for job_id, values in data.items()}
    return Call("PATCH", "/api/jobs/heartbeat", list[JobCommand], body=body)


def metadata(updates: Mapping[int, Mapping[str, Any]]) -> Call[None]:
    """Set the site or parameters of jobs."""
    body = {str(job_id): dict(values) for job_id, values in updates.items()}
    return Call("PATCH", "/api/jobs/metadata", None, body=body, repeatable=True)
