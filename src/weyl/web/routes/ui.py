"""What the pages are told of themselves, and what people keep in them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from weyl.config.routes import CurrentSnapshot
from weyl.kit.bounds import Text
from weyl.kit.http import JSON, CurrentUser, Now, ReadTx, WriteTx
from weyl.kit.openapi import refusals
from weyl.web import queries
from weyl.web.models import (
    Dashboard,
    DashboardChange,
    DashboardParams,
    DashboardShown,
    Kind,
    Preferences,
    PreferencesParams,
    Views,
)
from weyl.web.policy import may_keep
from weyl.web.service import keeping
from weyl.web.service.shelf import VIEW_SHELF, ViewShelf

router = APIRouter(prefix="/api/ui", tags=["ui"])

SHOWN_MAX = 1_000


Shelf = Annotated[ViewShelf, Depends(VIEW_SHELF.dependency)]


@router.get("/views", operation_id="ui_get_views", response_model=Views, responses=refusals(304))
async def get_views(
    user: CurrentUser,
    snapshot: CurrentSnapshot,
    shelf: Shelf,
    if_none_match: Annotated[Text | None, Header()] = None,
) -> Response:
    """Answer with the views that the caller's pages may show: columns, actions, tabs, and the routes that they use."""
    body, tag = shelf.document(user.properties, snapshot.revision)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if tag in (if_none_match or ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


@router.get("/preferences", operation_id="ui_get_preferences")
async def get_preferences(user: CurrentUser, tx: ReadTx) -> Preferences:
    """Answer with what the caller has chosen, in all pages and browsers."""
    return await keeping.preferences(tx, may_keep(user))


@router.put("/preferences", operation_id="ui_set_preferences")
async def set_preferences(params: PreferencesParams, user: CurrentUser, tx: WriteTx, now: Now) -> Preferences:
    """Keep what the caller has chosen in place of what was there, up to 32 kB."""
    return await keeping.keep_preferences(tx, may_keep(user), params.document, now=now)


@router.get("/dashboards", operation_id="ui_list_dashboards", response_model=list[DashboardShown])
async def list_dashboards(
    user: CurrentUser,
    tx: ReadTx,
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=SHOWN_MAX)] = SHOWN_MAX,
) -> list[DashboardShown]:
    """Answer with the caller's dashboards and saved views, then those that others share in the VO."""
    rows = await queries.select_dashboards(tx, may_keep(user), kind=kind, limit=limit)
    return [DashboardShown.model_validate(row) for row in rows]


@router.post("/dashboards", operation_id="ui_add_dashboard", status_code=201)
async def add_dashboard(params: DashboardParams, user: CurrentUser, tx: WriteTx, now: Now) -> Dashboard:
    """Keep a new dashboard or saved view, up to 128 kB; 200 of them a person."""
    return await keeping.add_dashboard(tx, may_keep(user), params, now=now)


@router.get("/dashboards/{dashboard_id}", operation_id="ui_get_dashboard")
async def get_dashboard(dashboard_id: UUID, user: CurrentUser, tx: ReadTx) -> Dashboard:
    """Answer with a dashboard of the caller, or one that is shared in the VO."""
    return await keeping.read_dashboard(tx, may_keep(user), dashboard_id)


@router.put("/dashboards/{dashboard_id}", operation_id="ui_change_dashboard")
async def change_dashboard(
    dashboard_id: UUID, change: DashboardChange, user: CurrentUser, tx: WriteTx, now: Now
) -> Dashboard:
    """Keep a dashboard in place of the revision that the caller, its owner, has read; 409 if that is not the last."""
    return await keeping.change_dashboard(tx, may_keep(user), dashboard_id, change, now=now)


@router.delete("/dashboards/{dashboard_id}", operation_id="ui_delete_dashboard", status_code=204)
async def delete_dashboard(dashboard_id: UUID, user: CurrentUser, tx: WriteTx) -> None:
    """Delete a dashboard of the caller; a ServiceAdministrator also one that is shared."""
    await keeping.delete_dashboard(tx, may_keep(user), dashboard_id)
