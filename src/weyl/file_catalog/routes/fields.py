"""Declared metadata fields over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.fields import NAME_PATTERN
from weyl.file_catalog.models.fields import FieldChange, FieldInfo, FieldOrder
from weyl.file_catalog.permits import FieldKeeper
from weyl.file_catalog.policy import check_master, may_declare
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.service import fields as service
from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx
from weyl.kit.openapi import refusals

router = APIRouter(prefix="/api/files", tags=["files"])


async def current_keeper(user: CurrentUser, config: CurrentConfig) -> FieldKeeper:
    """Return who calls, and may say what files are described with; 409 where another catalogue has the files."""
    keeper = may_declare(user)
    check_master(config, keeper.vo)
    return keeper


CurrentKeeper = Annotated[FieldKeeper, Depends(current_keeper)]
_Name = Annotated[str, Path(max_length=64, pattern=NAME_PATTERN)]


@router.get("/fields", operation_id="files_get_fields")
async def get_fields(member: CurrentMember, tx: ReadTx) -> list[FieldInfo]:
    """Answer with the fields that your VO has declared, by name."""
    return [service.info_of(field) for field in (await select_fields(tx, member.vo)).values()]


@router.post("/fields", operation_id="files_declare_field", status_code=201, responses=refusals(409))
async def declare_field(order: FieldOrder, keeper: CurrentKeeper, *, tx: WriteTx, now: Now) -> FieldInfo:
    """Declare a field of files, of directories, or of both.

    Needs FileCatalogManagement or ProductionManagement. Its type and what it is of stay for ever.
    """
    return await service.declare(tx, keeper, order, now=now)


@router.patch("/fields/{name}", operation_id="files_change_field", responses=refusals(404, 409))
async def change_field(name: _Name, change: FieldChange, keeper: CurrentKeeper, *, tx: WriteTx, now: Now) -> FieldInfo:
    """Change a field: whether it is indexed, its unit, the only values that it takes, its help.

    Needs FileCatalogManagement or ProductionManagement. Values that files have already are brought to the index by the
    operation of the answer; until it has ended, `filled` is false and searches warn.
    """
    return await service.change(tx, keeper, name, change, now=now)


@router.delete("/fields/{name}", operation_id="files_drop_field", status_code=204, responses=refusals(404, 409))
async def drop_field(
    name: _Name,
    keeper: CurrentKeeper,
    *,
    force: Annotated[bool, Query(description="Drop it with all its values")] = False,
    tx: WriteTx,
    now: Now,
) -> Response:
    """Drop a field that nothing has a value of; with `force`, all its values are lost.

    Needs FileCatalogManagement or ProductionManagement.
    """
    await service.drop(tx, keeper, name, is_forced=force, now=now)
    return Response(status_code=204)
