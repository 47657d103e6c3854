"""Directories over HTTP: listed, made, removed, moved, given to others, and measured."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.models.files import (
    FILES_BYTES_MAX,
    Listing,
    Moves,
    NewDirectories,
    OutcomeShown,
    PathList,
    PermissionChange,
)
from weyl.file_catalog.modes import mode_of
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.routes.files import outcome_response
from weyl.file_catalog.service import directories, permissions
from weyl.file_catalog.service.listing import list_directory
from weyl.file_catalog.service.moves import move
from weyl.file_catalog.service.orders import BULK, large_moves
from weyl.file_catalog.service.usage import usage
from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx, json_response
from weyl.kit.ids import uuid7
from weyl.kit.openapi import refusals
from weyl.tasks import operations

router = APIRouter(prefix="/api/files", tags=["files"])


class Listed(BaseModel):
    """A page of a directory; `cursor` leads to the next one."""

    directories: list[dict[str, Any]]
    files: list[dict[str, Any]]
    cursor: str | None


@router.post("/list", operation_id="files_list", response_model=Listed, responses=refusals(400, 404))
async def list_files(body: Listing, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Return what is in a directory in the order of names, directories first; with `trash`, what was deleted there."""
    return json_response(await list_directory(tx, member, body, config=config))


@router.post(
    "/directories", operation_id="files_make_directories", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX
)
async def make(
    body: NewDirectories, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Make directories with all that are above them; one that exists is a success."""
    mode = None if body.mode is None else mode_of(body.mode)
    return outcome_response(await directories.make(tx, member, body.paths, mode=mode, config=config, now=now))


@router.post(
    "/rmdir", operation_id="files_remove_directories", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX
)
async def remove(body: PathList, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now) -> Response:
    """Remove directories that hold no files but those in the trash."""
    return outcome_response(await directories.remove(tx, member, body.paths, config=config, now=now))


@router.post(
    "/move",
    operation_id="files_move",
    response_model=OutcomeShown,
    responses=refusals(429),
    max_body_size=FILES_BYTES_MAX,
)
async def move_files(
    body: Moves, user: CurrentUser, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Give files and directories other names within the VO; nothing moves on storage.

    Directories with more than 10,000 below are moved in the background: the answer has their `operation_id`.
    """
    moved = await move(tx, member, body.moves, config=config, now=now)
    if moved.large:
        order = large_moves(member, moved.large, operation_id=uuid7(), subject=user.subject)
        started = await operations.begin(tx, BULK, order, undo_s=0, now=now)
        for source, target in moved.large.items():
            moved.outcome.success[source] = {"to": target, "operation_id": started.operation_id}
    return outcome_response(moved.outcome)


@router.post(
    "/permissions", operation_id="files_set_permissions", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX
)
async def set_permissions(
    body: PermissionChange, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Change owner, group or mode; who is no manager may change what is their own."""
    return outcome_response(await permissions.change(tx, member, body, config=config, now=now))


@router.post("/usage", operation_id="files_usage", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def get_usage(body: PathList, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Return files and bytes below directories, apart those in the trash, in all and per storage element."""
    return outcome_response(await usage(tx, member, body.paths, config=config))
