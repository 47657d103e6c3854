"""A look at what a running job writes."""

from typing import Annotated

from fastapi import APIRouter, Query

from weyl.jobs.models.peek import Glance, Stream
from weyl.jobs.policy import may_read
from weyl.jobs.service.peek import ask, look
from weyl.kit.http import CurrentActor, Now, ReadTx, WriteTx

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

TAIL_MAX = 1_000_000


Tail = Annotated[int | None, Query(ge=0, le=TAIL_MAX)]


@router.get("/{job_id}/peek", operation_id="jobs_peek")
async def peek_at_job(
    job_id: int, actor: CurrentActor, tx: ReadTx, *, stream: Stream = Stream.OUTPUT, tail: Tail = None
) -> Glance:
    """Answer with the latest output that a job has sent."""
    permit = await may_read(tx, actor, [job_id])
    return await look(tx, permit, job_id, stream=stream, tail=tail)


@router.post("/{job_id}/peek", operation_id="jobs_ask_to_show")
async def ask_job_to_show(
    job_id: int, actor: CurrentActor, tx: WriteTx, *, now: Now, stream: Stream = Stream.OUTPUT, tail: Tail = None
) -> Glance:
    """Answer with the latest output of a job, and ask a running job to send more, and more often, for ten minutes."""
    permit = await may_read(tx, actor, [job_id])
    await ask(tx, permit, job_id, now=now)
    return await look(tx, permit, job_id, stream=stream, tail=tail)
