"""`weyl jobs sandbox`: the archives that travel with jobs, by job or by their own names."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, NotFound, UsageFault
from weyl.client.results import Done, Ids, Result, Rows, Text
from weyl.jobs.cli.fetch import Directory
from weyl.jobs.cli.selection import Selection, find_most, job_ids, selects_jobs
from weyl.sandboxes import calls
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import contents, fetch, read, upload

app = typer.Typer(
    help="""Lists, reads, fetches and changes the sandboxes of jobs.

Example: weyl jobs sandbox list 12
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
@selects_jobs
def list_sandboxes(context: typer.Context, jobs: Selection) -> Result:
    """Lists the sandboxes of jobs.

    Example: weyl jobs sandbox list 12
    """
    session = session_of(context)
    found, failed = find_most(session, jobs.ids(session), ("Status",))
    rows = (row for job in found for row in _of_job(session, job["JobID"]))
    return Rows(rows, columns=("JobID", "Type", "PFN"), id_column="PFN", unit="sandboxes", failed=failed)


@app.command("get")
@selects_jobs
def get(context: typer.Context, *, jobs: Selection, directory: Directory = Path()) -> Result:
    """Fetches sandboxes and unpacks them: those of jobs into a directory each, others beside each other.

    In place of the ids of jobs it takes names of sandboxes, as `sandbox list` prints them.

    Example: weyl jobs sandbox get 12 -d files
    """
    session = session_of(context)
    names = map(str, jobs.ids(session)) if jobs.checked().is_filter else jobs.words
    rows = [_fetch(session, row, _place(directory, row)) for row in _named(session, names)]
    return Rows(rows, columns=("PFN", "Directory", "Files"), id_column="PFN", unit="sandboxes")


@app.command("peek")
def peek(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID|PFN", help="Id of a job, or name of a sandbox.")],
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Print this file of it.")] = None,
) -> Result:
    """Lists what is in the sandboxes of a job, or prints a file of them, without unpacking anything.

    Example: weyl jobs sandbox peek 12 std.err
    """
    session = session_of(context)
    sandboxes = list(_named(session, [name]))
    if file is None:
        rows = [
            {**row, "File": member, "Size": size}
            for row in sandboxes
            for member, size in _read(row["PFN"], lambda pfn: contents(session.client, pfn))
        ]
        return Rows(rows, columns=("Type", "File", "Size"), id_column="File", unit="files")
    for row in reversed(sandboxes):
        content = _read(row["PFN"], lambda pfn: read(session.client, pfn, file))
        if content is not None:
            return Text([content])
    raise NotFound(f"There is no file {file} in the sandboxes of {name}.", hint=f"See: weyl jobs sandbox peek {name}")


@app.command("assign")
def assign(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="ID", help="Id of a job.")],
    source: Annotated[list[str], typer.Argument(metavar="FILE|PFN", help="Files to pack, or the name of a sandbox.")],
) -> Result:
    """Gives a job an output sandbox: one that is stored already, or files that are packed and uploaded now.

    Example: weyl jobs sandbox assign 12 results.root
    """
    session = session_of(context)
    [job_id, *others] = job_ids(session, [job])
    if others:
        raise UsageFault("A sandbox is assigned to one job at a time.", hint=f"As: weyl jobs sandbox assign {job_id} F")
    if _is_pfn(source[0]) and len(source) == 1:
        pfn = source[0]
    else:
        paths = [Path(each) for each in source]
        for path in paths:
            if not path.exists():
                raise UsageFault(f"{path} does not exist.", hint="Nothing was uploaded.")
        pfn = upload(session.client, paths)
    session.client.send(calls.assign_output(job_id, pfn))
    return Done(f"Job {job_id} has the output sandbox {pfn}.", document={"JobID": job_id, "PFN": pfn})


@app.command("unassign")
@selects_jobs
def unassign(context: typer.Context, jobs: Selection) -> Result:
    """Takes all sandboxes from jobs; what no job has is removed after a while.

    Example: weyl jobs sandbox unassign 12 --yes
    """
    session = session_of(context)
    wanted = jobs.ids(session)
    session.confirm("take all sandboxes from", len(wanted))
    session.client.send(calls.unassign(wanted))
    return Ids(
        wanted,
        lambda count: f"{count:,} {'job has' if count == 1 else 'jobs have'} no sandboxes any more.",
        id_column="JobID",
        unit="jobs",
    )


def _fetch(session: Session, row: dict[str, Any], place: Path) -> dict[str, Any]:
    files = _read(row["PFN"], lambda pfn: fetch(session.client, pfn, place))
    return {"PFN": row["PFN"], "Directory": str(place), "Files": files}


def _of_job(session: Session, job_id: int) -> Iterator[dict[str, Any]]:
    for kind, pfns in session.client.send(calls.get_job_sandboxes(job_id)).items():
        for pfn in pfns:
            yield {"JobID": job_id, "Type": kind, "PFN": pfn}


def _named(session: Session, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in session.stream_ids(list(names)):
        if _is_pfn(name):
            yield {"JobID": None, "Type": None, "PFN": name}
        elif name[:1].isdigit():
            for job_id in job_ids(session, [name]):
                yield from _of_job(session, job_id)
        else:
            raise UsageFault(f"{name!r} is not the name of a sandbox.", hint="See: weyl jobs sandbox list ID")


def _is_pfn(name: str) -> bool:
    return "sha256:" in name


def _place(directory: Path, row: dict[str, Any]) -> Path:
    return directory if row["JobID"] is None else directory / str(row["JobID"]) / str(row["Type"]).lower()


def _read(pfn: str, act: Any) -> Any:
    try:
        return act(pfn)
    except ArchiveFault as error:
        raise ClientError(f"{pfn}: {error}", hint="Fetch it again.") from error
