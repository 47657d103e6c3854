"""Looking at the output of jobs: what has arrived while they run, and where all of it is once they have ended."""

from datetime import datetime
from typing import NamedTuple

from weyl.descriptions.attributes import runs_workflow
from weyl.descriptions.streams import stream_files
from weyl.jobs.models.peek import Glance, Stream
from weyl.jobs.permits import Readable
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries.heartbeat import select_shown
from weyl.jobs.queries.submission import select_descriptions
from weyl.jobs.service.heartbeat import STANDARD_ERROR, STANDARD_OUTPUT
from weyl.jobs.states import FINAL, JobStatus
from weyl.kit.db import Tx
from weyl.sandboxes.models import SandboxType
from weyl.sandboxes.service import job_sandboxes

OF_TOOLS = "Files that the tools of the workflow wrote are among its outputs."


class Whole(NamedTuple):
    """The output sandbox that holds a whole stream, the file in it, and what to say where the stream is empty."""

    sandbox: str | None = None
    file: str | None = None
    note: str | None = None


PARAMETERS = {Stream.OUTPUT: STANDARD_OUTPUT, Stream.ERROR: STANDARD_ERROR}


async def look(tx: Tx, permit: Readable, job_id: int, *, stream: Stream, tail: int | None) -> Glance:
    """Return the last text of a stream that has arrived, so many lines of it, and where all of it is after the end."""
    row = await select_shown(tx, permit.one(job_id), PARAMETERS[stream])
    has_ended = row.status in FINAL or row.status == JobStatus.DELETED
    whole = await _whole(tx, job_id, stream) if has_ended else Whole()
    text = None if row.value is None else last_lines(str(row.value), tail)
    return Glance(
        job_id=job_id,
        status=row.status,
        stream=stream,
        text=text,
        heard_at=row.heart_beat_time,
        is_asked=row.is_asked,
        sandbox=whole.sandbox,
        file=whole.file,
        note=_why_none(row.status) if has_ended and whole.sandbox is None else whole.note,
    )


async def _whole(tx: Tx, job_id: int, stream: Stream) -> Whole:
    """Return the newest output sandbox of a job, and the file of a stream in it."""
    found = (await job_sandboxes(tx, [job_id]))[job_id][SandboxType.OUTPUT.capitalize()]
    if not found:
        return Whole()
    [row] = await select_descriptions(tx, [job_id])
    output, error = stream_files(row.document, row.parameters, job_id)
    note = OF_TOOLS if runs_workflow(row.document) else None
    return Whole(found[-1], error if stream is Stream.ERROR else output, note)


def _why_none(status: str) -> str:
    if status == JobStatus.DELETED:
        return "The job was deleted, and its output sandbox with it."
    return "No output sandbox was uploaded."


async def ask(tx: Tx, permit: Readable, job_id: int, *, now: datetime) -> None:
    """Ask a job that runs to show more."""
    await command_queries.ask_to_show(tx, permit.one(job_id), now)


def last_lines(text: str, count: int | None) -> str:
    """Return so many lines from the end; None is all of them."""
    if count is None:
        return text
    return "".join(text.splitlines(keepends=True)[-count:]) if count else ""
