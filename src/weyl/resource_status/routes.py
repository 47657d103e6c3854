"""Resource status over HTTP: one route for each kind of element, served from memory."""

from fastapi import APIRouter, Request, Response

from weyl.config.routes import CurrentSnapshot
from weyl.config.service import Snapshot
from weyl.kit.http import Conditional, CurrentActor, User, cached_response, state
from weyl.resource_status.models import ComputeElementStatus, FTSStatus, SiteStatus, StorageElementStatus
from weyl.resource_status.policy import may_view
from weyl.resource_status.service import StatusBoard
from weyl.resource_status.statuses import Kind

router = APIRouter(prefix="/api/rss", tags=["rss"], dependencies=[Conditional])


def _answer(request: Request, actor: User, snapshot: Snapshot, kind: Kind) -> Response:
    board: StatusBoard = state(request).status_board
    return cached_response(request, board.document(may_view(actor), kind, snapshot), headers={"Vary": "Authorization"})


@router.get("/storage", operation_id="rss_get_storage_status", response_model=dict[str, StorageElementStatus])
async def get_storage_status(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the status of every storage element, for each kind of access."""
    return _answer(request, actor, snapshot, Kind.STORAGE)


@router.get("/compute", operation_id="rss_get_compute_status", response_model=dict[str, ComputeElementStatus])
async def get_compute_status(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the status of every computing element."""
    return _answer(request, actor, snapshot, Kind.COMPUTE)


@router.get("/site", operation_id="rss_get_site_status", response_model=dict[str, SiteStatus])
async def get_site_status(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the status of every site."""
    return _answer(request, actor, snapshot, Kind.SITE)


@router.get("/fts", operation_id="rss_get_fts_status", response_model=dict[str, FTSStatus])
async def get_fts_status(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the status of every transfer server."""
    return _answer(request, actor, snapshot, Kind.FTS)
