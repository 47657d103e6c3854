"""Sandboxes over HTTP: where to upload one and where to read it; the bytes go straight to and from the store."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from weyl.kit.http import CurrentActor, CurrentUser, Now, state
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

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.post("/sandbox", operation_id="jobs_initiate_sandbox_upload")
async def initiate_sandbox_upload(
    request: Request, actor: CurrentActor, info: SandboxInfo, now: Now
) -> SandboxUploadResponse:
    """Name a sandbox by its content; answers with a form that uploads it, or without one if it is stored already."""
    held = state(request)
    rules = service.UploadRules(held.settings.sandbox_se, held.settings.sandbox_bytes_max)
    return await service.announce(held.db, held.store, announcer=may_announce(actor), info=info, rules=rules, now=now)


@router.get("/sandbox/rules", operation_id="jobs_get_sandbox_rules")
async def get_sandbox_rules(request: Request, user: CurrentUser) -> SandboxRules:
    """Say how large a sandbox may be, and what the names of the caller's begin with."""
    held, announcer = state(request), may_announce(user)
    vo, username = announcer.owner
    area = make_area(held.store.bucket, vo=vo, group=announcer.group, username=username)
    return SandboxRules(bytes_max=held.settings.sandbox_bytes_max, area=with_prefix(area, held.settings.sandbox_se))


@router.get("/sandbox", operation_id="jobs_get_sandbox_file")
async def get_sandbox_file(
    request: Request,
    actor: CurrentActor,
    now: Now,
    pfn: Annotated[str, Query(max_length=PFN_LENGTH_MAX, pattern=PFN_PATTERN)],
    packed_as: Annotated[Literal["tar.bz2"] | None, Query(alias="format", include_in_schema=False)] = None,
) -> SandboxDownloadResponse:
    """Answer with a URL under which the sandbox can be read without a token; never with a redirect."""
    held, scope = state(request), may_read(actor)
    answer = service.download if packed_as is None else service.download_repacked
    return await answer(held.db, held.store, scope=scope, pfn=pfn, now=now)
