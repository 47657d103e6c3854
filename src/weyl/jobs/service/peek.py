"""Looking at running jobs: what has arrived is shown, and the wrapper is asked for more."""

from datetime import datetime

from weyl.jobs.models.peek import Glance, Stream
from weyl.jobs.permits import Readable
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries.heartbeat import select_shown
from weyl.jobs.service.heartbeat import STANDARD_ERROR, STANDARD_OUTPUT
from weyl.kit.db import Tx

PARAMETERS = {Stream.OUTPUT: STANDARD_OUTPUT, Stream.ERROR: STANDARD_ERROR}


async def look(tx: Tx, permit: Readable, job_id: int, *, stream: Stream, tail: int | None) -> Glance:
    """Return the end of a stream, so many lines of it."""
    row = await select_shown(tx, permit.one(job_id), PARAMETERS[stream])
    text = None if row.value is None else last_lines(str(row.value), tail)
    return Glance(
        job_id=job_id,
        status=row.status,
        stream=stream,
        text=text,
        heard_at=row.heart_beat_time,
        is_asked=row.is_asked,
    )


async def ask(tx: Tx, permit: Readable, job_id: int, *, now: datetime) -> None:
    """Ask a job that runs to show more."""
    await command_queries.ask_to_show(tx, permit.one(job_id), now)


def last_lines(text: str, count: int | None) -> str:
    """Return so many lines from the end; None is all of them."""
    if count is None:
        return text
    return "".join(text.splitlines(keepends=True)[-count:]) if count else ""
