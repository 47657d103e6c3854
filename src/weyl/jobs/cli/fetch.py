"""Commands that fetch the files of jobs: output, input."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, Forbidden, NotFound, NotLoggedIn, Unreachable
from weyl.client.results import Result, Rows
from weyl.jobs.cli.look import JobArguments
from weyl.jobs.cli.selection import find_most, job_ids
from weyl.jobs.states import FINAL, JobStatus
from weyl.sandboxes import calls
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import fetch

Kind = Literal["input", "output"]
Directory = Annotated[
    Path,
    typer.Option("--directory", "-d", metavar="DIR", help="Where to put the files: a directory for each job in it."),
]


def output(context: typer.Context, ids: JobArguments, *, directory: Directory = Path()) -> Result:
    """Fetches what jobs have put in their output sandboxes.

    Example: weyl jobs output 12 13 -d results
    """
    return _fetch(session_of(context), ids, directory, kind="output")


def fetch_input(context: typer.Context, ids: JobArguments, *, directory: Directory = Path()) -> Result:
    """Fetches what was sent along with jobs.

    Example: weyl jobs input 12
    """
    return _fetch(session_of(context), ids, directory, kind="input")


def _fetch(session: Session, words: list[str], directory: Path, *, kind: Kind) -> Result:
    wanted = job_ids(session, words)
    found, failed = find_most(session, wanted, ("Status",))
    statuses = {row["JobID"]: str(row["Status"]) for row in found}
    rows: list[dict[str, Any]] = []
    for job_id, status in statuses.items():
        try:
            files = _fetch_one(session, job_id, directory / str(job_id), kind=kind)
        except (NotLoggedIn, Unreachable, Forbidden):
            raise
        except (ClientError, ArchiveFault) as error:
            failed[job_id] = str(error)
            continue
        if files is None:
            failed[job_id] = _why_none(status, kind)
        else:
            rows.append({"JobID": job_id, "Directory": str(directory / str(job_id)), "Files": files})
    if failed and not rows:
        job_id, reason = next(iter(failed.items()))
        more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
        raise NotFound(f"Job {job_id}{more} {reason}.", hint="", details={str(key): why for key, why in failed.items()})
    return Rows(rows, columns=("JobID", "Directory", "Files"), id_column="JobID", unit="jobs", failed=failed)


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
