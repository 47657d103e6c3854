"""The configuration over HTTP: the document as it is, and for administrators how it changed and how to change it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from weyl.config.models import Config
from weyl.config.policy import may_change_config, may_read_history
from weyl.config.revisions import ChangeMade, ChangeOrder, ConfigDiff, RevisionListed, RevisionShown
from weyl.config.service import CONFIG, ConfigStore, Snapshot
from weyl.kit.bounds import DOCUMENTS_BYTES_MAX, Name
from weyl.kit.http import (
    JSON,
    Conditional,
    CurrentActor,
    CurrentUser,
    Document,
    User,
    cached_response,
    current_actor,
    json_response,
)
from weyl.kit.openapi import refusals
from weyl.kit.route_index import answered_by

router = APIRouter(prefix="/api/config", tags=["config"])

NEWEST = "newest"
"""What stands for the newest revision where one is named."""


async def current_snapshot(request: Request) -> Snapshot:
    """Return the revision that this process serves now."""
    return CONFIG.of(request).current()


async def current_config(request: Request) -> Config:
    """Return the configuration that this request is answered by."""
    return (await current_snapshot(request)).config


Store = Annotated[ConfigStore, Depends(CONFIG.dependency)]
CurrentSnapshot = Annotated[Snapshot, Depends(current_snapshot)]
CurrentConfig = Annotated[Config, Depends(current_config)]


async def config_document(request: Request) -> Response:
    """Answer as `serve_config` does; every pilot, server and client asks for this again and again."""
    actor = await current_actor(request, request.headers.get("authorization"))
    return cached_response(request, _document(await current_snapshot(request), actor))


@router.get("", include_in_schema=False)
@router.get("/", operation_id="config_serve_config", dependencies=[Conditional])
@answered_by(config_document)
async def serve_config(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the configuration, defaults filled in.

    Its ETag is the commit, or for pilots and payloads a digest of their part.
    People get all of it; pilots and payloads get what concerns their VO, without its members.
    """
    return cached_response(request, _document(snapshot, actor))


def _document(snapshot: Snapshot, actor: User) -> Document:
    return snapshot.document if actor.kind == "user" else snapshot.part(actor.vo)


@router.get("/schema", operation_id="config_get_schema", response_model=dict[str, Any])
async def get_schema(user: CurrentUser, store: Store) -> Response:
    """Answer with what a document may say, as JSON Schema."""
    return Response(await store.schema(), media_type=JSON)


@router.get("/history", operation_id="config_get_history", response_model=list[RevisionListed])
async def get_history(
    user: CurrentUser,
    store: Store,
    *,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    before: Annotated[Name | None, Query(description="Only commits before this one")] = None,
) -> Response:
    """Answer with the newest commits of the configuration; the header Link leads to those before them."""
    reader = may_read_history(user)
    changes = await store.history(reader, limit=limit, before=before)
    more = f"/api/config/history?limit={limit}&before={changes[-1].revision}" if len(changes) == limit else None
    return json_response(
        [{"Revision": c.revision, "Time": c.at, "Author": c.author, "Message": c.message} for c in changes],
        headers={"Link": f'<{more}>; rel="next"'} if more else None,
    )


@router.get("/revisions/{revision}", operation_id="config_get_revision", responses=refusals(502))
async def get_revision(revision: Name, user: CurrentUser, store: Store) -> RevisionShown:
    """Answer with one revision, `newest` for the newest, as it is written and with what is wrong with it."""
    reader = may_read_history(user)
    return await store.revision(reader, None if revision == NEWEST else revision)


@router.get("/diff", operation_id="config_get_diff", response_model=ConfigDiff, responses=refusals(502))
async def get_diff(
    user: CurrentUser,
    store: Store,
    *,
    old: Annotated[Name | None, Query(alias="from")] = None,
    new: Annotated[Name | None, Query(alias="to")] = None,
) -> Response:
    """Answer with the difference between two revisions; by default what the newest one changed."""
    reader = may_read_history(user)
    return json_response({"diff": await store.diff(reader, old, new)})


@router.post("/changes", operation_id="config_change", responses=refusals(502), max_body_size=DOCUMENTS_BYTES_MAX)
async def change_config(order: ChangeOrder, user: CurrentUser, store: Store) -> ChangeMade:
    """Commit a new document under the caller's name, or with `dry_run` say what is wrong and what would change.

    409 if `base` is no longer the newest revision, 400 with `problems` if the document is no configuration.
    """
    return await store.change(may_change_config(user), order)
