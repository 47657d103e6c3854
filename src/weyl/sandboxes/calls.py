"""The client's calls on sandboxes."""

from typing import Literal

from weyl.kit.call import Call
from weyl.sandboxes.models import SandboxDownloadResponse, SandboxInfo, SandboxUploadResponse


def initiate_upload(info: SandboxInfo) -> Call[SandboxUploadResponse]:
    """Ask for the name of a sandbox and where to upload it; asking twice is asking once."""
    return Call("POST", "/api/jobs/sandbox", returns=SandboxUploadResponse, body=info, repeatable=True)


def get_file(pfn: str, *, packed_as: Literal["tar.bz2"] | None = None) -> Call[SandboxDownloadResponse]:
    """Ask where a sandbox can be read."""
    return Call("GET", "/api/jobs/sandbox", returns=SandboxDownloadResponse, query={"pfn": pfn, "format": packed_as})


def get_job_sandboxes(job_id: int) -> Call[dict[str, list[str]]]:
    """Ask for the names of everything that a job has."""
    return Call("GET", f"/api/jobs/{job_id}/sandbox", returns=dict[str, list[str]])


def get_job_sandbox(job_id: int, kind: Literal["input", "output"]) -> Call[list[str]]:
    """Ask for the names of one kind."""
    return Call("GET", f"/api/jobs/{job_id}/sandbox/{kind}", returns=list[str])


def assign_output(job_id: int, pfn: str) -> Call[None]:
    """Assign an uploaded sandbox to a job as its output."""
    return Call("PATCH", f"/api/jobs/{job_id}/sandbox/output", body=pfn)


def unassign(job_ids: list[int]) -> Call[None]:
    """Take all sandboxes from jobs."""
    return Call("POST", "/api/jobs/sandbox/unassign", body={"job_ids": job_ids}, repeatable=True)
