"""The configuration over HTTP: the document as it is, and for administrators how it changed."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from weyl.config.models import Config
from weyl.config.policy import may_read_history
from weyl.config.service import ConfigStore, Snapshot
from weyl.kit.http import (
    Conditional,
    CurrentActor,
    CurrentUser,
    Document,
    cached_response,
    current_actor,
    json_response,
    state,
)
from weyl.kit.route_index import answered_by

router = APIRouter(prefix="/api/config", tags=["config"])


async def config_store(request: Request) -> ConfigStore:
    """Return the store that `app.py` wired for this process."""
    return cast(ConfigStore, state(request).config)


async def current_snapshot(request: Request) -> Snapshot:
    """Return the revision that this process serves now."""
    return cast(ConfigStore, state(request).config).current()


async def current_config(request: Request) -> Config:
    """Return the configuration that this request is answered by."""
    return (await current_snapshot(request)).config


Store = Annotated[ConfigStore, Depends(config_store)]
CurrentSnapshot = Annotated[Snapshot, Depends(current_snapshot)]
CurrentConfig = Annotated[Config, Depends(current_config)]


async def config_document(request: Request) -> Response:
    """Answer as `serve_config` does; every pilot, server and client asks for this again and again."""
    await current_actor(request, request.headers.get("authorization"))
    return cached_response(request, _document(await current_snapshot(request)))


@router.get("", include_in_schema=False)
@router.get("/", operation_id="config_serve_config", dependencies=[Conditional])
@answered_by(config_document)
async def serve_config(request: Request, actor: CurrentActor, snapshot: CurrentSnapshot) -> Response:
    """Answer with the whole configuration, defaults filled in; its ETag is the commit."""
    return cached_response(request, _document(snapshot))


def _document(snapshot: Snapshot) -> Document:
    return Document(snapshot.body, etag=snapshot.revision, modified=snapshot.modified)


@router.get("/history", operation_id="config_get_history")
async def get_history(user: CurrentUser, store: Store, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """Answer with the newest commits of the configuration."""
    reader = may_read_history(user)
    changes = await store.history(reader, limit=limit)
    return json_response(
        [{"Revision": c.revision, "Time": c.at, "Author": c.author, "Message": c.message} for c in changes]
    )


@router.get("/diff", operation_id="config_get_diff")
async def get_diff(user: CurrentUser, store: Store, old: str | None = None, new: str | None = None) -> Response:
    """Answer with the difference between two revisions; by default what the newest one changed."""
    reader = may_read_history(user)
    return json_response({"diff": await store.diff(reader, old, new)})
