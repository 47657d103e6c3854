"""How files are read: requests for clients, URLs for browsers, and what lies at a storage element in truth."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.models.files import PATH_CHARACTERS_MAX
from weyl.file_catalog.policy import check_master, may_use
from weyl.kit.bounds import DOCUMENTS_BYTES_MAX
from weyl.kit.http import CurrentDatabase, CurrentUser, Now, json_response
from weyl.kit.openapi import refusals
from weyl.storage.models.access import AccessOrder, AccessShown, BrowserAccess, StatOrder, StatShown
from weyl.storage.policy import may_probe
from weyl.storage.routes.elements import CurrentStorages
from weyl.storage.service import looks

router = APIRouter(prefix="/api/storage", tags=["storage"])


@router.post(
    "/access", operation_id="storage_access_files", response_model=AccessShown, max_body_size=DOCUMENTS_BYTES_MAX
)
async def access_files(
    order: AccessOrder,
    user: CurrentUser,
    db: CurrentDatabase,
    config: CurrentConfig,
    storages: CurrentStorages,
    *,
    now: Now,
) -> Response:
    """Answer with requests that read files without a token of ours, the best replica first."""
    member = may_use(user)
    check_master(config, member.vo)
    reader = looks.reader_of(user.subject, order, now)
    found = await looks.find_access(db, storages, config, member, order, reader=reader)
    return json_response({"success": found.success, "failed": found.failed})


@router.get("/access", operation_id="storage_get_access_url", responses=refusals(409))
async def get_access_url(
    lfn: Annotated[str, Query(max_length=PATH_CHARACTERS_MAX)],
    user: CurrentUser,
    db: CurrentDatabase,
    config: CurrentConfig,
    storages: CurrentStorages,
    *,
    now: Now,
) -> BrowserAccess:
    """Answer with a URL under which a browser can read a file for a while."""
    member = may_use(user)
    check_master(config, member.vo)
    reader = looks.reader_of(user.subject, AccessOrder(lfns=[lfn]), now)
    return await looks.find_url(db, storages, config, member, lfn, reader=reader)


@router.post("/stat", operation_id="storage_stat_files", max_body_size=DOCUMENTS_BYTES_MAX)
async def stat_files(
    order: StatOrder, user: CurrentUser, db: CurrentDatabase, config: CurrentConfig, storages: CurrentStorages
) -> StatShown:
    """Ask a storage element what lies under the paths of replicas, beside what the catalogue says."""
    prober, member = may_probe(user), may_use(user)
    check_master(config, prober.vo)
    return await looks.stat(db, storages, config, member, order)
