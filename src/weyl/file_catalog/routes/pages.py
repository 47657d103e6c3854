"""What the pages ask for beside what scripts do: a part of the tree, and one file by its id."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.models.files import PATH_CHARACTERS_MAX
from weyl.file_catalog.models.pages import (
    Branch,
    ElementUsage,
    FileShown,
    MetadataShown,
    RelativeShown,
    ReplicaShown,
)
from weyl.file_catalog.names import Space
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.service import pages
from weyl.kit.http import ReadTx
from weyl.resource_status.service.board import STATUS_BOARD, StatusBoard

router = APIRouter(prefix="/api/files", tags=["files"])

FILE_ID_MAX = 2**63 - 1

Board = Annotated[StatusBoard, Depends(STATUS_BOARD.dependency)]
Directory = Annotated[str, Query(max_length=PATH_CHARACTERS_MAX, description="The path of a directory")]
FileId = Annotated[int, Path(ge=0, le=FILE_ID_MAX)]


@router.get("/tree", operation_id="files_get_tree")
async def get_tree(
    member: CurrentMember,
    config: CurrentConfig,
    tx: ReadTx,
    node: Directory | None = None,
    cursor: Annotated[str | None, Query(max_length=PATH_CHARACTERS_MAX)] = None,
    *,
    details: Annotated[bool, Query(description="Also what is used by the directory with all that lies below")] = False,
) -> Branch:
    """Answer with the directories in one, or with the topmost ones and where the caller begins.

    A directory that does not exist, or is another VO's, is answered 404, one that the caller may not read 403.
    """
    space = Space.of(config, member)
    if node is None:
        return await pages.top(tx, member, space)
    found = await pages.branch(tx, member, space, node, after=cursor)
    return await pages.with_usage(tx, member, found) if details else found


@router.get("/tree/usage", operation_id="files_get_tree_usage")
async def get_tree_usage(
    member: CurrentMember, config: CurrentConfig, tx: ReadTx, node: Directory
) -> list[ElementUsage]:
    """Answer with what lies below a directory on each storage element, in the trash too."""
    return await pages.usage(tx, member, Space.of(config, member), node)


@router.get("/tree/metadata", operation_id="files_get_tree_metadata")
async def get_tree_metadata(member: CurrentMember, config: CurrentConfig, tx: ReadTx, node: Directory) -> MetadataShown:
    """Answer with the fields of the VO that directories may have, and the values that hold for one of them."""
    return await pages.metadata_of_directory(tx, member, Space.of(config, member), node)


@router.get("/{file_id}", operation_id="files_get_file")
async def get_file(file_id: FileId, member: CurrentMember, config: CurrentConfig, tx: ReadTx) -> FileShown:
    """Answer with a file, in the trash or not; 404 for one of another VO, 403 where the caller may not read."""
    return pages.file_shown(await pages.readable_file(tx, member, Space.of(config, member), file_id))


@router.get("/{file_id}/replicas", operation_id="files_get_file_replicas")
async def get_file_replicas(
    file_id: FileId, member: CurrentMember, config: CurrentConfig, board: Board, tx: ReadTx
) -> list[ReplicaShown]:
    """Answer with the replicas of a file: whether each can be read now, and why not."""

    def closed(se: str) -> str | None:
        return board.usable_storage(member.vo, se, "read").reason

    row = await pages.readable_file(tx, member, Space.of(config, member), file_id)
    return pages.replicas_shown(row, closed)


@router.get("/{file_id}/metadata", operation_id="files_get_file_metadata")
async def get_file_metadata(file_id: FileId, member: CurrentMember, config: CurrentConfig, tx: ReadTx) -> MetadataShown:
    """Answer with the fields of the VO that files may have, and the values that hold for one of them."""
    return await pages.metadata_of_file(tx, member, Space.of(config, member), file_id)


@router.get("/{file_id}/ancestors", operation_id="files_get_file_ancestors")
async def get_file_ancestors(
    file_id: FileId, member: CurrentMember, config: CurrentConfig, tx: ReadTx
) -> list[RelativeShown]:
    """Answer with the files that one was made from, nearest first: ten steps, and 1,000 files at most."""
    return await pages.relatives(tx, member, Space.of(config, member), file_id, descendants=False)


@router.get("/{file_id}/descendants", operation_id="files_get_file_descendants")
async def get_file_descendants(
    file_id: FileId, member: CurrentMember, config: CurrentConfig, tx: ReadTx
) -> list[RelativeShown]:
    """Answer with the files that were made from one, nearest first: ten steps, and 1,000 files at most."""
    return await pages.relatives(tx, member, Space.of(config, member), file_id, descendants=True)
