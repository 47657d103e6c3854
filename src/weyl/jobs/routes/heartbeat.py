"""Heartbeats over HTTP: signs of life in, commands out."""

from typing import Annotated

from fastapi import APIRouter, Response

from weyl.jobs.models.heartbeat import HeartbeatData, JobCommand
from weyl.jobs.routes.access import CurrentManager, Writes
from weyl.jobs.service.heartbeat import HeartbeatRequest
from weyl.kit.bounds import REPORTS_BYTES_MAX, REPORTS_MAX, Entries
from weyl.kit.http import Now, json_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


Heartbeats = Annotated[dict[int, HeartbeatData], Entries(REPORTS_MAX)]


@router.patch(
    "/heartbeat", operation_id="jobs_add_heartbeat", response_model=list[JobCommand], max_body_size=REPORTS_BYTES_MAX
)
async def add_heartbeat(data: Heartbeats, manager: CurrentManager, writes: Writes, now: Now) -> Response:
    """Note that jobs live, and answer with what they are asked to do."""
    permit = await manager.admit(data)
    permit.all_exist()
    return json_response(await writes.add_heartbeats(HeartbeatRequest(permit, data, now)))
