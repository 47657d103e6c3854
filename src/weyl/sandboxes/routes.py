"""Sandboxes over HTTP: where to upload one and where to read it; the bytes go straight to and from the store."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from weyl.kit.db import DATABASE
from weyl.kit.http import CurrentActor, CurrentUser, Now
from weyl.kit.s3 import STORE
from weyl.sandboxes import service
from weyl.sandboxes.models import (
    PFN_LENGTH_MAX,
    PFN_PATTERN,
    SandboxDownloadResponse,
    SandboxInfo,
    SandboxRules,
    SandboxUploadResponse,
)
from weyl.sandboxes.names import make_area, with_prefix
from weyl.sandboxes.policy import may_announce, may_read
from weyl.settings import SETTINGS

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.post("/sandbox", operation_id="jobs_initiate_sandbox_upload")
async def initiate_sandbox_upload(
    request: Request, actor: CurrentActor, info: SandboxInfo, now: Now
) -> SandboxUploadResponse:
    """Name a sandbox by its content; answers with a form that uploads it, or without one if it is stored already."""
    # No dependencies, here and below: FastAPI takes some 15 us for each, and every job sends and fetches sandboxes.
    settings, db, store = SETTINGS.of(request), DATABASE.of(request), STORE.of(request)
    rules = service.UploadRules(settings.sandbox_se, settings.sandbox_bytes_max)
    return await service.announce(db, store, announcer=may_announce(actor), info=info, rules=rules, now=now)


@router.get("/sandbox/rules", operation_id="jobs_get_sandbox_rules")
async def get_sandbox_rules(request: Request, user: CurrentUser) -> SandboxRules:
    """Say how large a sandbox may be, and what the names of the caller's begin with."""
    settings, store, announcer = SETTINGS.of(request), STORE.of(request), may_announce(user)
    vo, username = announcer.owner
    area = make_area(store.bucket, vo=vo, group=announcer.group, username=username)
    return SandboxRules(bytes_max=settings.sandbox_bytes_max, area=with_prefix(area, settings.sandbox_se))


@router.get("/sandbox", operation_id="jobs_get_sandbox_file")
async def get_sandbox_file(
    request: Request,
    actor: CurrentActor,
    now: Now,
    pfn: Annotated[str, Query(max_length=PFN_LENGTH_MAX, pattern=PFN_PATTERN)],
    packed_as: Annotated[
        Literal["tar.bz2"] | None,
        Query(alias="format", description="A copy of this format, for readers without Zstandard"),
    ] = None,
) -> SandboxDownloadResponse:
    """Answer with a URL under which the sandbox can be read without a token; never with a redirect."""
    scope = may_read(actor)
    answer = service.download if packed_as is None else service.download_repacked
    return await answer(DATABASE.of(request), STORE.of(request), scope=scope, pfn=pfn, now=now)
