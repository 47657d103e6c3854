"""The comparison of catalogue and storage over HTTP, for those who look after a VO's data."""

from fastapi import APIRouter, Request

from weyl.config.routes import CurrentConfig
from weyl.kit.http import CurrentUser
from weyl.storage.models.check import Checked, CheckRequest
from weyl.storage.policy import may_probe
from weyl.storage.service.check import check
from weyl.storage.service.state import UPLOADS

router = APIRouter(prefix="/api/storage", tags=["storage"])


@router.post("/check", operation_id="storage_check")
async def check_files(request: Request, user: CurrentUser, config: CurrentConfig, order: CheckRequest) -> Checked:
    """Compare a page of what the catalogue says of a storage element with what lies there; nothing is changed."""
    return await check(UPLOADS.of(request), config, may_probe(user), order)
