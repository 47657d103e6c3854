"""The client's calls for what a job of a workflow was given, and what it has put out."""

from typing import Any

from weyl.jobs.models.files import JobFiles
from weyl.kit.call import Call


def get_outputs(job_id: int) -> Call[dict[str, Any]]:
    """Ask for the CWL output object of a job that has ended well; its files are in the sandbox that it names."""
    return Call("GET", f"/api/jobs/{job_id}/outputs", dict[str, Any])


def get_files(job_id: int) -> Call[JobFiles]:
    """Ask which files a job reads, and which its runs have registered."""
    return Call("GET", f"/api/jobs/{job_id}/files", JobFiles)


def get_input_object(job_id: int) -> Call[dict[str, Any]]:
    """Ask for the input object of a job as it is stored."""
    return Call("GET", f"/api/jobs/{job_id}/input-object", dict[str, Any])
