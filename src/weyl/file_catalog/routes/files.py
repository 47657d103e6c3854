"""Files over HTTP: registered by those who answer for them, and looked up, thousands per call."""

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.additions import PLACES_OF_UPLOADS, FindPlaces
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.models.files import (
    FILES_BYTES_MAX,
    Deletion,
    Lookup,
    Outcome,
    OutcomeShown,
    Registration,
    Relatives,
    ReplicaLookup,
    ReplicaStatusChange,
    Restoration,
)
from weyl.file_catalog.registrations import NewFile, NewReplica, Terms
from weyl.file_catalog.routes.admission import CurrentManager, CurrentMember
from weyl.file_catalog.service import trash
from weyl.file_catalog.service.reading import look_up
from weyl.file_catalog.service.registration import register
from weyl.file_catalog.service.relatives import relatives
from weyl.file_catalog.service.replicas import replicas, set_status
from weyl.kit.http import Now, ReadTx, WriteTx, json_response
from weyl.kit.json import Document
from weyl.kit.openapi import refusals
from weyl.resource_status.service.board import STATUS_BOARD, StatusBoard

router = APIRouter(prefix="/api/files", tags=["files"])

Board = Annotated[StatusBoard, Depends(STATUS_BOARD.dependency)]

DEFAULT_PARAMETERS = (
    "size", "checksums", "guid", "owner", "group", "mode", "status", "job_id", "attempt", "created_at", "modified_at",
    "trashed_at", "replicas",
)  # fmt: skip


def outcome_response(outcome: Outcome) -> Response:
    """Return what became of each name."""
    return json_response({"success": outcome.success, "failed": outcome.failed})


@router.post(
    "/register",
    operation_id="files_register",
    response_model=OutcomeShown,
    responses=refusals(409),
    max_body_size=FILES_BYTES_MAX,
)
async def register_files(
    body: Registration,
    manager: CurrentManager,
    config: CurrentConfig,
    written: Annotated[FindPlaces, Depends(PLACES_OF_UPLOADS.dependency)],
    *,
    tx: WriteTx,
    now: Now,
) -> Response:
    """Register files on the word of the caller, who needs FileCatalogManagement; nothing is asked of storage.

    A file that is registered with equal content is a success, and gets the replicas that it lacks. With `atomic`, all
    are registered or none, and the answer of a refusal (409) has `failed`.
    """
    files = list(map(_read, body.files))
    terms = Terms(atomic=body.atomic, written=written)
    return outcome_response(await register(tx, manager, files, terms, config=config, now=now))


def _replica(se: str, pfn: str | None) -> NewReplica:
    return _by_convention(se) if pfn is None else NewReplica(se, pfn)


# Most files of a call lie at the same few storage elements.
_by_convention = lru_cache(64)(NewReplica)


def _read(spec: Document) -> NewFile:
    """Return a file as `NewFileSpec` describes it."""
    checksums, fault = Checksums(), None
    try:
        checksums = Checksums.from_json(spec["checksums"])
    except ValueError as error:
        fault = str(error)
    replicas = tuple([_replica(replica["se"], replica.get("pfn")) for replica in spec["replicas"]])
    more = spec["guid"], spec["metadata"], tuple(spec["ancestors"]), replicas
    return NewFile(spec["lfn"], spec["size"], checksums, *more, fault)


@router.post("/lookup", operation_id="files_lookup", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def look_up_files(body: Lookup, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Return what is known of files; `parameters` picks, and `trash` looks in the trash for the latest of each name."""
    parameters = DEFAULT_PARAMETERS if body.parameters is None else body.parameters
    outcome = await look_up(tx, member, body.lfns, config=config, parameters=parameters, trash=body.trash)
    return outcome_response(outcome)


@router.post("/replicas", operation_id="files_replicas", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def get_replicas(
    body: ReplicaLookup, member: CurrentMember, config: CurrentConfig, *, board: Board, tx: ReadTx
) -> Response:
    """Return the replicas of files, those that should be read first before others, and which cannot be read now."""

    def closed(se: str) -> str | None:
        return board.usable_storage(member.vo, se, "read").reason

    return outcome_response(await replicas(tx, member, body, config=config, closed=closed))


@router.post(
    "/replicas/status",
    operation_id="files_set_replica_status",
    response_model=OutcomeShown,
    max_body_size=FILES_BYTES_MAX,
)
async def set_replica_status(
    body: ReplicaStatusChange, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Say of the replicas of files on a storage element that they are Good, Suspect (read last) or Bad (never read).

    Who may write in the directory of a file may; reason and author are kept.
    """
    return outcome_response(await set_status(tx, member, body, config=config, now=now))


@router.post("/delete", operation_id="files_delete", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def delete_files(
    body: Deletion, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Move files to the trash: their names are free at once, their bytes stay for `TrashDays`."""
    outcome = await trash.delete(tx, member, body.lfns, reason=body.reason, config=config, now=now)
    return outcome_response(outcome)


@router.post("/restore", operation_id="files_restore", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def restore_files(
    body: Restoration, member: CurrentMember, config: CurrentConfig, *, tx: WriteTx, now: Now
) -> Response:
    """Take files back from the trash, of several of one name the latest, while their names are free."""
    return outcome_response(await trash.restore(tx, member, body.lfns, config=config, now=now))


@router.post("/ancestors", operation_id="files_ancestors", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX)
async def get_ancestors(body: Relatives, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Return the files of which files were made, up to ten steps away."""
    found = await relatives(tx, member, body.lfns, descendants=False, depth=body.depth, config=config)
    return outcome_response(found)


@router.post(
    "/descendants", operation_id="files_descendants", response_model=OutcomeShown, max_body_size=FILES_BYTES_MAX
)
async def get_descendants(body: Relatives, member: CurrentMember, config: CurrentConfig, *, tx: ReadTx) -> Response:
    """Return the files that were made of files, up to ten steps away."""
    found = await relatives(tx, member, body.lfns, descendants=True, depth=body.depth, config=config)
    return outcome_response(found)
