"""Metadata over HTTP: the site of jobs, and parameters under free names."""

from typing import Annotated

from fastapi import APIRouter, Response

from weyl.jobs.models.metadata import JobMetaData
from weyl.jobs.routes.access import CurrentManager
from weyl.jobs.service.metadata import patch
from weyl.kit.bounds import REPORTS_BYTES_MAX, REPORTS_MAX, Entries
from weyl.kit.http import WriteTx

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


Updates = Annotated[dict[int, JobMetaData], Entries(REPORTS_MAX)]


@router.patch("/metadata", operation_id="jobs_patch_metadata", status_code=204, max_body_size=REPORTS_BYTES_MAX)
async def patch_metadata(updates: Updates, manager: CurrentManager, tx: WriteTx) -> Response:
    """Set the site or parameters of jobs; null leaves a value as it is."""
    permit = await manager.admit_in(tx, updates)
    await patch(tx, permit, updates)
    return Response(status_code=204)
