"""Values of files and directories over HTTP."""

from fastapi import APIRouter, Response

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.models.files import FILES_BYTES_MAX, OutcomeShown
from weyl.file_catalog.models.metadata import MetadataAsked, MetadataChange
from weyl.file_catalog.names import Space
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.routes.files import outcome_response
from weyl.file_catalog.service import values as service
from weyl.file_catalog.service.values import Setter
from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx

router = APIRouter(prefix="/api/files", tags=["files"])


@router.post("/metadata", operation_id="files_get_metadata", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def get_metadata(asked: MetadataAsked, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Answer with what holds for files and directories: of each field its value, and the path that it is from."""
    space = Space.of(config, member)
    return outcome_response(await service.show(tx, member, space, asked.paths, inherited=asked.inherited))


@router.post(
    "/metadata/set", operation_id="files_set_metadata", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX
)
async def set_metadata(
    change: MetadataChange,
    member: CurrentMember,
    user: CurrentUser,
    *,
    config: CurrentConfig,
    tx: WriteTx,
    now: Now,
) -> Response:
    """Set values of files and directories: those of a directory hold for all below; null takes a value away.

    Whoever may write in a directory may describe it and its files.
    """
    setter = Setter(member, Space.of(config, member), user.subject, now)
    return outcome_response(await service.set_values(tx, setter, change.changes))
