"""How an upload is opened: its files are checked, and each gets places that nobody else has."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice

from weyl.config import lfns
from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.permits import Member
from weyl.file_catalog.registrations import NewFile, NewReplica
from weyl.file_catalog.service.purging import paths_taken
from weyl.file_catalog.service.registration import examine
from weyl.kit.db import Tx
from weyl.storage.errors import StorageError, TooManyUploads, UnknownElement, UploadRefused
from weyl.storage.queries import intents as intent_queries
from weyl.storage.queries import uploads as queries
from weyl.storage.queries.intents import Intent
from weyl.storage.queries.uploads import Owner, Upload
from weyl.storage.service.access import targets
from weyl.storage.service.state import UploadOrder, Uploads
from weyl.storage.uploads import (
    EXPIRES_AFTER,
    OPEN_MAX,
    REQUESTS_LAST,
    TARGETS_MAX,
    Spot,
    Wanted,
    aside,
    named_twice,
    spots_of,
)

ELEMENTS_MAX = 10_000
TAKEN = "Something of another file, or of an upload that has not ended, lies there"

Choice = tuple[str, ...] | None
"""Storage elements that were asked for; None: none in particular."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the catalogue says of the files of an order."""

    paths: Mapping[str, str]
    """Storage paths by convention of those that are to be stored or found, by LFN."""
    known: Mapping[str, int]
    """Ids of those that are registered with the same content, by LFN."""
    failed: dict[str, Failure]
    """By name."""


def choice_of(wanted: Wanted, order: UploadOrder) -> Choice:
    """Return where a file is asked to be stored."""
    ses = wanted.ses if wanted.ses is not None else order.ses
    return None if ses is None else tuple(ses)


def targets_of(uploads: Uploads, config: Config, vo: str, order: UploadOrder) -> dict[Choice, list[str]]:
    """Return the storage elements that are open for writing, for each choice that the files of an order make."""
    found: dict[Choice, list[str]] = {}
    for choice in dict.fromkeys(choice_of(each, order) for each in order.files if not each.at):
        names = targets(uploads.storages, config, vo, choice, site=order.site, most=ELEMENTS_MAX)
        usable = (name for name in names if _has_door(uploads, config, vo, name, order))
        found[choice] = list(islice(usable, TARGETS_MAX))
    return found


def _has_door(uploads: Uploads, config: Config, vo: str, se: str, order: UploadOrder) -> bool:
    """Tell whether the client can write to an element: where it is, and with what it speaks."""
    try:
        uploads.storages.open_for(config, se, vo=vo, access="write", site=order.site, protocols=order.protocols)
    except (StorageError, UnknownElement):
        return False
    return True


async def insert(
    tx: Tx, config: Config, member: Member, order: UploadOrder, *, chosen: Mapping[Choice, list[str]], now: datetime
) -> tuple[Upload | None, list[Intent]]:
    """Open an upload and return it with its places; none if the run of the job has one by now.

    Raises `UploadRefused` if all or nothing was asked for and some file cannot be registered.
    """
    if order.job is None and await queries.count_open(tx, vo=member.vo, owner=member.username) >= OPEN_MAX:
        raise TooManyUploads(f"You have {OPEN_MAX:,} uploads open: commit some, or delete them", retry_after_s=60)
    judged = await _judge(tx, config, member, order)
    for each in order.files:
        if each.lfn in judged.paths and not each.at and not chosen[choice_of(each, order)]:
            judged.failed[each.name] = Failure(
                Code.BUSY, "No storage element is open for writing that this client can use"
            )
    _refuse(order, judged.failed)
    upload = await _insert_upload(tx, member, order, judged, now=now)
    if upload is None:
        return None, []
    wanted = {each.lfn for each in order.files if each.lfn in judged.paths and each.name not in judged.failed}
    by_lfn = {each.lfn: [] if each.at else chosen[choice_of(each, order)] for each in order.files}
    paths = {lfn: path for lfn, path in judged.paths.items() if lfn in wanted}
    spots = spots_of(order.files, paths, by_lfn, upload_id=upload.upload_id)
    return await _place(tx, upload, order, spots, now=now)


async def _judge(tx: Tx, config: Config, member: Member, order: UploadOrder) -> Judged:
    doubled, roots = named_twice(order.files), config.operations[member.vo].data_management.roots_of(member.vo)
    failed = dict(order.failed)
    for each in order.files:
        if each.lfn in doubled:
            failed[each.name] = Failure(Code.CONFLICT, f"{each.lfn} is named by several files of this upload")
        elif (fault := _fault_of(each, member, roots)) is not None:
            failed[each.name] = fault
    asked = [each for each in order.files if each.name not in failed]
    examined = await examine(tx, member, [new_file(each) for each in asked], config=config, job=order.job)
    failed |= {each.name: examined.failed[each.lfn] for each in asked if each.lfn in examined.failed}
    paths, known = dict(examined.new), {}
    for each in asked:
        if each.lfn not in examined.same:
            continue
        same = examined.same[each.lfn]
        if any(at.se not in same.ses for at in each.at):
            paths[each.lfn] = same.path
        else:
            known[each.lfn] = same.file_id
    return Judged(paths, known, failed)


def _fault_of(wanted: Wanted, member: Member, roots: Sequence[str]) -> Failure | None:
    """Return what is wrong with the name of a file, and with the places where it is said to lie."""
    if (fault := lfns.fault_of(wanted.lfn)) is not None:
        return Failure(Code.BAD_NAME, f"The name {fault}")
    for place in wanted.at:
        if place.path is None:
            continue
        if (fault := lfns.fault_of(place.path)) is not None:
            return Failure(Code.BAD_VALUE, f"The place at {place.se} {fault}")
        if lfns.root_of(place.path, roots) is None:
            return Failure(Code.BAD_VALUE, f"The place at {place.se} lies outside of what the VO has there")
    return foreign_place(wanted, member)


def foreign_place(wanted: Wanted, member: Member) -> Failure | None:
    """Return why a file may not be registered where it lies: who may write a directory may not claim what is in others.

    None if it may.
    """
    if member.is_manager or all(place.path in (None, wanted.lfn) for place in wanted.at):
        return None
    return Failure(Code.FORBIDDEN, "To register what lies under another path than its name takes FileCatalogManagement")


def _refuse(order: UploadOrder, failed: Mapping[str, Failure]) -> None:
    if order.is_atomic and failed:
        raise UploadRefused(failed)


async def _insert_upload(tx: Tx, member: Member, order: UploadOrder, judged: Judged, *, now: datetime) -> Upload | None:
    run = order.job
    owner = Owner(
        member.vo,
        member.username,
        member.group,
        None if run is None else run.job_id,
        None if run is None else run.attempt,
        order.pilot_stamp,
    )
    files = {each.name: {"lfn": each.lfn, "file_id": judged.known[each.lfn]} for each in _known(order, judged)}
    failed = {name: asdict(failure) for name, failure in judged.failed.items()}
    document = {
        "count": len(order.files) + len(order.failed),
        "files": [each.as_json() for each in order.files],
        "known": files,
        "failed": failed,
        "site": order.site,
        "protocols": order.protocols,
    }
    # Of a job it is the commit that ends it, even if there is nothing to write.
    is_over = run is None and len(files) + len(failed) == len(order.files) + len(order.failed)
    return await queries.insert_upload(
        tx,
        owner,
        is_atomic=order.is_atomic,
        document=document,
        outcome={"files": files, "failed": failed} if is_over else None,
        until=(now, now + EXPIRES_AFTER, now + REQUESTS_LAST),
    )


def _known(order: UploadOrder, judged: Judged) -> list[Wanted]:
    return [each for each in order.files if each.lfn in judged.known and each.name not in judged.failed]


async def _place(
    tx: Tx, upload: Upload, order: UploadOrder, spots: Sequence[Spot], *, now: datetime
) -> tuple[Upload, list[Intent]]:
    """Note the places of an upload; where one is taken, its file is stored beside it.

    First all are noted, and only then is asked which of them replicas have: whoever registers one from then on has
    had the place before us, and kept us from noting it.
    """
    if not spots:
        return upload, []
    noted = await intent_queries.insert_intents(tx, upload.upload_id, spots, now=now)
    mine = {(intent.se, intent.path) for intent in noted}
    taken = await paths_taken(tx, sorted(mine), vo=upload.vo)
    lost = [spot for spot in spots if (spot.se, spot.path) not in mine or (spot.se, spot.path) in taken]
    if not lost:
        return upload, noted
    kept = [intent for intent in noted if (intent.se, intent.path) not in taken]
    await intent_queries.delete_intents(tx, [each.intent_id for each in noted if (each.se, each.path) in taken])
    kept += await intent_queries.insert_intents(tx, upload.upload_id, aside(lost, upload_id=upload.upload_id), now=now)
    failed = {
        order.files[spot.number].name: Failure(Code.CONFLICT, f"{TAKEN}: {spot.path} at {spot.se}")
        for spot in lost
        if not spot.is_written
    }
    _refuse(order, failed)
    if failed:
        upload.document["failed"] |= {name: asdict(failure) for name, failure in failed.items()}
        await queries.update_document(tx, upload.upload_id, document=upload.document)
    numbers = {number for number, each in enumerate(order.files) if each.name in failed}
    # A file with one place that is taken is not registered at its other places either.
    await intent_queries.delete_intents(tx, [each.intent_id for each in kept if each.number in numbers])
    return upload, [each for each in kept if each.number not in numbers]


def new_file(wanted: Wanted, replicas: Sequence[NewReplica] = ()) -> NewFile:
    """Return a file as the catalogue registers it."""
    return NewFile(
        lfn=wanted.lfn,
        size=wanted.size,
        checksums=wanted.checksums,
        guid=wanted.guid,
        metadata=wanted.metadata,
        ancestors=wanted.ancestors,
        replicas=replicas,
    )
