"""Commands that fetch the files of jobs: output, input."""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, Forbidden, NotFound, NotLoggedIn, Refused, Unreachable
from weyl.client.results import Result, Rows
from weyl.jobs.calls import results
from weyl.jobs.cli.selection import Selection, find_most, selects_jobs
from weyl.jobs.states import FINAL, JobStatus
from weyl.sandboxes import calls
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import fetch

# What the engine leaves in the output sandbox of a workflow's job.
MANIFEST = "manifest.json"

Kind = Literal["input", "output"]
Directory = Annotated[
    Path,
    typer.Option("--directory", "-d", metavar="DIR", help="Where to put the files: a directory for each job in it."),
]


@selects_jobs
def output(context: typer.Context, *, jobs: Selection, directory: Directory = Path()) -> Result:
    """Fetches what jobs have put in their output sandboxes; with `-o json` also says what a workflow has put out.

    Example: weyl jobs output 12 13 -d results
    """
    return _fetch(session_of(context), jobs, directory, kind="output")


@selects_jobs
def fetch_input(context: typer.Context, *, jobs: Selection, directory: Directory = Path()) -> Result:
    """Fetches what was sent along with jobs.

    Example: weyl jobs input 12
    """
    return _fetch(session_of(context), jobs, directory, kind="input")


def _fetch(session: Session, jobs: Selection, directory: Path, *, kind: Kind) -> Result:
    wanted = jobs.ids(session)
    found, failed = find_most(session, wanted, ("Status",))
    statuses = {row["JobID"]: str(row["Status"]) for row in found}
    rows: list[dict[str, Any]] = []
    for job_id, status in statuses.items():
        files = fetch_files(session, job_id, directory / str(job_id), kind=kind, status=status)
        if isinstance(files, str):
            failed[job_id] = files
        else:
            rows.append({"JobID": job_id, "Directory": str(directory / str(job_id)), "Files": files})
            if kind == "output" and MANIFEST in files and session.output in ("json", "ndjson", "yaml"):
                rows[-1]["Outputs"] = outputs_of(session, job_id, directory / str(job_id))
    if failed and not rows:
        job_id, reason = next(iter(failed.items()))
        more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
        raise NotFound(f"Job {job_id}{more} {reason}.", hint="", details={str(key): why for key, why in failed.items()})
    return Rows(rows, columns=("JobID", "Directory", "Files"), id_column="JobID", unit="jobs", failed=failed)


def fetch_files(session: Session, job_id: int, directory: Path, *, kind: Kind, status: str) -> list[str] | str:
    """Fetch the files of a job and return their names, or the reason why there are none as a text."""
    try:
        files = _fetch_one(session, job_id, directory, kind=kind)
    except (NotLoggedIn, Unreachable, Forbidden):
        raise
    except (ClientError, ArchiveFault) as error:
        return str(error)
    return _why_none(status, kind) if files is None else files


def outputs_of(session: Session, job_id: int, directory: Path) -> Any:
    """Return the output object of a workflow, with the paths of its files; None if the job has none."""
    try:
        return _with_paths(session.client.send(results.get_outputs(job_id)), directory)
    except (NotFound, Refused):
        return None


def _with_paths(value: Any, directory: Path) -> Any:
    if isinstance(value, list):
        return [_with_paths(item, directory) for item in value]
    if not isinstance(value, dict):
        return value
    told = {key: _with_paths(item, directory) for key, item in value.items()}
    if value.get("class") in ("File", "Directory"):
        path = directory / unquote(str(value.get("location", "")).partition("#")[2]).rstrip("/")
        # What was only passed through lies elsewhere.
        told |= {"path": str(path)} if path != directory and path.exists() else {}
    return told


def _fetch_one(session: Session, job_id: int, directory: Path, *, kind: Kind) -> list[str] | None:
    pfns = session.client.send(calls.get_job_sandbox(job_id, kind))
    if not pfns:
        return None
    return [name for pfn in pfns for name in fetch(session.client, pfn, directory)]


def _why_none(status: str, kind: Kind) -> str:
    if status == JobStatus.DELETED:
        return "is Deleted, and its sandboxes with it"
    if kind == "output" and status not in FINAL:
        return f"is {status}: its output comes when it has ended"
    return f"has no {kind} sandbox"
