"""Resource status over HTTP: what may be used, served from memory, and what people say of it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import FailFast

from weyl.config.routes import CurrentConfig
from weyl.kit.bounds import REPORTS_BYTES_MAX, Name
from weyl.kit.errors import NotFound
from weyl.kit.http import Conditional, CurrentActor, CurrentUser, Now, ReadTx, WriteTx, cached_response
from weyl.resource_status.claims import EVERY_VO, Element
from weyl.resource_status.models import (
    ORDERS_MAX,
    Changes,
    ComputeElementStatus,
    DrainOrder,
    ElementShown,
    FTSStatus,
    HistoryEntry,
    Kind,
    Place,
    SiteStatus,
    StatusOrder,
    StorageElementStatus,
    Why,
)
from weyl.resource_status.policy import may_speak, may_view
from weyl.resource_status.queries import select_history
from weyl.resource_status.service import changes, looks
from weyl.resource_status.service.board import STATUS_BOARD, StatusBoard
from weyl.resource_status.service.changes import Outcome, place_of

router = APIRouter(prefix="/api/rss", tags=["rss"])

HISTORY_DAYS = 30
HISTORY_MAX = 1_000


Board = Annotated[StatusBoard, Depends(STATUS_BOARD.dependency)]


async def _caught_up(board: Board) -> AsyncIterator[None]:
    """Answer once this process knows of the change, which is committed by then."""
    yield
    await board.follower.catch_up()


# Of all dependencies the first that begins, and the last that ends.
CAUGHT_UP = Depends(_caught_up, scope="function")
StatusOrders = Annotated[list[StatusOrder], FailFast(), Body(min_length=1, max_length=ORDERS_MAX)]
DrainOrders = Annotated[list[DrainOrder], FailFast(), Body(min_length=1, max_length=ORDERS_MAX)]
Places = Annotated[list[Place], FailFast(), Body(min_length=1, max_length=ORDERS_MAX)]


def _answer(request: Request, actor: CurrentActor, board: StatusBoard, kind: Kind) -> Response:
    return cached_response(request, board.document(may_view(actor), kind), headers={"Vary": "Authorization"})


@router.get(
    "/storage",
    operation_id="rss_get_storage_status",
    response_model=dict[str, StorageElementStatus],
    dependencies=[Conditional],
)
async def get_storage_status(request: Request, actor: CurrentActor, board: Board) -> Response:
    """Answer with the status of every storage element, for each kind of access."""
    return _answer(request, actor, board, Kind.STORAGE)


@router.get(
    "/compute",
    operation_id="rss_get_compute_status",
    response_model=dict[str, ComputeElementStatus],
    dependencies=[Conditional],
)
async def get_compute_status(request: Request, actor: CurrentActor, board: Board) -> Response:
    """Answer with the status of every computing element."""
    return _answer(request, actor, board, Kind.COMPUTE)


@router.get(
    "/site", operation_id="rss_get_site_status", response_model=dict[str, SiteStatus], dependencies=[Conditional]
)
async def get_site_status(request: Request, actor: CurrentActor, board: Board) -> Response:
    """Answer with the status of every site."""
    return _answer(request, actor, board, Kind.SITE)


@router.get("/fts", operation_id="rss_get_fts_status", response_model=dict[str, FTSStatus], dependencies=[Conditional])
async def get_fts_status(request: Request, actor: CurrentActor, board: Board) -> Response:
    """Answer with the status of every transfer server."""
    return _answer(request, actor, board, Kind.FTS)


@router.get("/elements", operation_id="rss_list_elements")
async def list_elements(
    kind: Kind, user: CurrentUser, config: CurrentConfig, board: Board, *, now: Now
) -> list[ElementShown]:
    """List the elements of a kind with their status, who decided it, and until when they may be used."""
    return looks.list_elements(config, board.claims, may_view(user), kind, now=now)


@router.get("/why", operation_id="rss_explain_element")
async def explain_element(
    kind: Kind,
    name: Name,
    user: CurrentUser,
    *,
    access: Name = "all",
    config: CurrentConfig,
    board: Board,
    now: Now,
) -> Why:
    """Answer with everything that is said of an element, what decides first."""
    found = looks.explain(config, board.claims, may_view(user), Element(kind, name, access), now=now)
    if found is None:
        raise NotFound(f"There is no {kind} {name} with access {access}")
    return found


@router.get("/history", operation_id="rss_get_history")
async def get_history(
    kind: Kind,
    name: Annotated[str, Query(max_length=128, pattern=r"^[^\x00]+$")],
    user: CurrentUser,
    *,
    since: datetime | None = None,
    tx: ReadTx,
    now: Now,
) -> list[HistoryEntry]:
    """Answer with what was said of an element and taken back, the latest first, of the last 30 days by default."""
    viewer = may_view(user)
    rows = await select_history(
        tx,
        kind=kind,
        name=name,
        vos=[viewer.vo, EVERY_VO],
        since=since or now - timedelta(days=HISTORY_DAYS),
        limit=HISTORY_MAX,
    )
    for row in rows:
        if row["vo"] == EVERY_VO and not viewer.sees_authors:
            row["changed_by"] = None
    return [HistoryEntry.model_validate(row) for row in rows]


@router.patch("/status", operation_id="rss_set_statuses", max_body_size=REPORTS_BYTES_MAX, dependencies=[CAUGHT_UP])
async def set_statuses(
    orders: StatusOrders, user: CurrentUser, tx: WriteTx, config: CurrentConfig, *, now: Now
) -> Changes:
    """Say which status elements have, for your VO or for every one, until a time or until you take it back."""
    permit = may_speak(user, config, [place_of(order, user.vo) for order in orders])
    return _changes(await changes.set_statuses(tx, permit, orders, own_vo=user.vo, config=config, now=now))


@router.post(
    "/status/release", operation_id="rss_release_statuses", max_body_size=REPORTS_BYTES_MAX, dependencies=[CAUGHT_UP]
)
async def release_statuses(
    places: Places, user: CurrentUser, tx: WriteTx, config: CurrentConfig, *, now: Now
) -> Changes:
    """Take back what was said of the status of elements."""
    permit = may_speak(user, config, [place_of(place, user.vo) for place in places])
    return _changes(await changes.release(tx, permit, "manual", now=now))


@router.post("/drain", operation_id="rss_drain_elements", max_body_size=REPORTS_BYTES_MAX, dependencies=[CAUGHT_UP])
async def drain_elements(
    orders: DrainOrders, user: CurrentUser, tx: WriteTx, config: CurrentConfig, *, now: Now
) -> Changes:
    """Let elements run empty: nothing is started there that would not end in time."""
    permit = may_speak(user, config, [place_of(order, user.vo) for order in orders])
    return _changes(await changes.drain(tx, permit, orders, own_vo=user.vo, config=config, now=now))


@router.post(
    "/drain/release", operation_id="rss_release_drains", max_body_size=REPORTS_BYTES_MAX, dependencies=[CAUGHT_UP]
)
async def release_drains(places: Places, user: CurrentUser, tx: WriteTx, config: CurrentConfig, *, now: Now) -> Changes:
    """Let elements be used again that were to run empty."""
    permit = may_speak(user, config, [place_of(place, user.vo) for place in places])
    return _changes(await changes.release(tx, permit, "drain", now=now))


def _changes(outcome: Outcome) -> Changes:
    return Changes(success=outcome.changed, failed=outcome.failed)
