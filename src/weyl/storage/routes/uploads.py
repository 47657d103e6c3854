"""Uploads over HTTP, for people: opened, renewed, committed, given up; the bytes go straight to the storage."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from weyl.config.lfns import bare
from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.policy import check_master, may_use
from weyl.kit.bounds import DOCUMENTS_BYTES_MAX
from weyl.kit.http import CurrentUser, Now, ReadTx
from weyl.storage.elements import elements_of
from weyl.storage.models.uploads import (
    PAGE_MAX,
    CommitRequest,
    Committed,
    Opened,
    UploadFile,
    UploadId,
    UploadLine,
    UploadRequest,
)
from weyl.storage.pfns import storage_path_of
from weyl.storage.service.commit import CommitOrder, commit
from weyl.storage.service.state import UPLOADS, UploadOrder
from weyl.storage.service.uploads import abandon, list_uploads, open_upload, renew
from weyl.storage.uploads import Landed, StoredPlace, UploadState, Wanted

router = APIRouter(prefix="/api/storage", tags=["storage"])

BEFORE_ALL = (1 << 63) - 1


@router.post("/uploads", operation_id="storage_open_upload", max_body_size=DOCUMENTS_BYTES_MAX)
async def open_files(
    request: Request, user: CurrentUser, config: CurrentConfig, order: UploadRequest, now: Now
) -> Opened:
    """Say which files are to come; answers with the requests that store each of them, at up to three places."""
    member = may_use(user)
    check_master(config, member.vo)
    wanted: list[Wanted] = []
    failed: dict[str, Failure] = {}
    for file in order.files:
        found = _wanted(config, member.vo, file)
        if isinstance(found, Wanted):
            wanted.append(found)
        else:
            failed[bare(file.lfn)] = found
    meant = UploadOrder(
        wanted, ses=order.ses, site=order.site, protocols=order.protocols, is_atomic=order.atomic, failed=failed
    )
    return await open_upload(UPLOADS.of(request), config, member, meant, now=now)


@router.get("/uploads", operation_id="storage_list_uploads")
async def list_own_uploads(
    user: CurrentUser,
    tx: ReadTx,
    before: Annotated[int, Query(ge=1, le=BEFORE_ALL, description="Only uploads with a smaller id")] = BEFORE_ALL,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
) -> list[UploadLine]:
    """Answer with your own uploads, the newest first; those that ended are kept for seven days."""
    return await list_uploads(tx, may_use(user), before=before, limit=limit)


@router.get("/uploads/{upload_id}", operation_id="storage_get_upload")
async def get_upload(
    request: Request, upload_id: UploadId, user: CurrentUser, config: CurrentConfig, now: Now
) -> Opened:
    """Answer with an upload of yours: new requests for what has not landed, or what has become of it."""
    return await renew(UPLOADS.of(request), config, may_use(user), upload_id, now=now)


@router.delete("/uploads/{upload_id}", operation_id="storage_abandon_upload", status_code=204)
async def abandon_upload(request: Request, upload_id: UploadId, user: CurrentUser, now: Now) -> Response:
    """Give up an upload; what was stored for it is deleted once its last request has ended."""
    await abandon(UPLOADS.of(request), may_use(user), upload_id, now=now)
    return Response(status_code=204)


@router.post(
    "/uploads/{upload_id}/commit",
    operation_id="storage_commit_upload",
    max_body_size=DOCUMENTS_BYTES_MAX,
    responses={202: {"description": "Not verified yet: a worker goes on", "model": Committed}},
)
async def commit_upload(
    request: Request,
    response: Response,
    upload_id: UploadId,
    user: CurrentUser,
    config: CurrentConfig,
    order: CommitRequest,
    now: Now,
) -> Committed:
    """Say where the files have landed: they are verified there, and registered."""
    landed = {bare(name): Landed(each.se, each.etags) for name, each in order.landed.items()}
    meant = CommitOrder(upload_id, landed)
    committed = await commit(UPLOADS.of(request), config, may_use(user), meant, now=now)
    if committed.state == UploadState.VERIFYING:
        response.status_code = 202
    return committed


def _wanted(config: Config, vo: str, file: UploadFile) -> Wanted | Failure:
    """Return a file as it is meant, or why it cannot be."""
    lfn = bare(file.lfn)
    try:
        checksums = Checksums.from_json(file.checksums)
    except ValueError as error:
        return Failure(Code.BAD_VALUE, str(error))
    places: list[StoredPlace] = []
    elements = elements_of(config, vo) if file.at else {}
    for at in file.at:
        if at.se not in elements:
            return Failure(Code.BAD_VALUE, f"There is no storage element {at.se} for your VO")
        path = None if at.pfn is None else storage_path_of(elements[at.se], at.pfn)
        if at.pfn is not None and path is None:
            return Failure(Code.BAD_VALUE, f"{at.pfn[:200]} does not lie at {at.se}")
        places.append(StoredPlace(at.se, path))
    return Wanted(
        name=lfn,
        lfn=lfn,
        size=file.size,
        checksums=checksums,
        metadata=file.metadata,
        ancestors=[bare(ancestor) for ancestor in file.ancestors],
        guid=file.guid,
        at=places,
    )
