"""Resource status over HTTP: one route for each kind of element, served from memory."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from weyl.config.routes import CurrentSnapshot
from weyl.config.service import Snapshot
from weyl.kit.http import CurrentActor, User, cached_response, state
from weyl.resource_status.models import ComputeElementStatus, FTSStatus, SiteStatus, StorageElementStatus
from weyl.resource_status.policy import may_view
from weyl.resource_status.service import StatusBoard
from weyl.resource_status.statuses import Kind

router = APIRouter(prefix="/api/rss", tags=["rss"])

IfNoneMatch = Annotated[str | None, Header()]
IfModifiedSince = Annotated[str | None, Header()]


def _answer(request: Request, actor: User, snapshot: Snapshot, kind: Kind) -> Response:
    board: StatusBoard = state(request).status_board
    document = board.document(may_view(actor), kind, snapshot)
    return cached_response(
        request, document.body, etag=document.etag, modified=document.modified, headers={"Vary": "Authorization"}
    )


@router.get("/storage", operation_id="rss_get_storage_status", response_model=dict[str, StorageElementStatus])
async def get_storage_status(
    request: Request,
    actor: CurrentActor,
    snapshot: CurrentSnapshot,
    if_none_match: IfNoneMatch = None,
    if_modified_since: IfModifiedSince = None,
) -> Response:
    """Answer with the status of every storage element, for each kind of access."""
    return _answer(request, actor, snapshot, Kind.STORAGE)


@router.get("/compute", operation_id="rss_get_compute_status", response_model=dict[str, ComputeElementStatus])
async def get_compute_status(
    request: Request,
    actor: CurrentActor,
    snapshot: CurrentSnapshot,
    if_none_match: IfNoneMatch = None,
    if_modified_since: IfModifiedSince = None,
) -> Response:
    """Answer with the status of every computing element."""
    return _answer(request, actor, snapshot, Kind.COMPUTE)


@router.get("/site", operation_id="rss_get_site_status", response_model=dict[str, SiteStatus])
async def get_site_status(
    request: Request,
    actor: CurrentActor,
    snapshot: CurrentSnapshot,
    if_none_match: IfNoneMatch = None,
    if_modified_since: IfModifiedSince = None,
) -> Response:
    """Answer with the status of every site."""
    return _answer(request, actor, snapshot, Kind.SITE)


@router.get("/fts", operation_id="rss_get_fts_status", response_model=dict[str, FTSStatus])
async def get_fts_status(
    request: Request,
    actor: CurrentActor,
    snapshot: CurrentSnapshot,
    if_none_match: IfNoneMatch = None,
    if_modified_since: IfModifiedSince = None,
) -> Response:
    """Answer with the status of every transfer server."""
    return _answer(request, actor, snapshot, Kind.FTS)
