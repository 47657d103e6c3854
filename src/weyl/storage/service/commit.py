"""How an upload ends: its files are looked at where they landed, then registered in one transaction or not at all."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from weyl.config.models import Config
from weyl.file_catalog.errors import RegistrationRefused
from weyl.file_catalog.models.files import Code, Failure, Outcome
from weyl.file_catalog.permits import Member
from weyl.file_catalog.registrations import JobRun, NewFile, NewReplica, Terms
from weyl.file_catalog.service.purging import paths_taken
from weyl.file_catalog.service.registration import register
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.task import Task
from weyl.storage.errors import BadCommit, OtherRun, UploadOver
from weyl.storage.models.uploads import Committed
from weyl.storage.queries import intents as intent_queries
from weyl.storage.queries import uploads as queries
from weyl.storage.queries.intents import Intent
from weyl.storage.queries.uploads import Upload
from weyl.storage.s3_answers import is_etag
from weyl.storage.service.opening import foreign_place, new_file
from weyl.storage.service.state import Uploads, Who, files_of, give_up, owner_of, run_of, theirs
from weyl.storage.service.verification import Claim, Looked, Unverified, look_at
from weyl.storage.uploads import (
    ENDED,
    LOOKED,
    WRITERS_END_AFTER,
    Findings,
    IntentState,
    Landed,
    UploadState,
    Wanted,
    not_landed,
)
from weyl.tasks.service import enqueue

log = structlog.get_logger(__name__)

VERIFY = Task("storage.verify", attempts_max=10, size="medium")
WAIT_S = 20.0
"""How long a request waits for the storage before a task goes on."""
TAKEN_OVER_AFTER = timedelta(seconds=90)
"""How long after a commit whoever took it has had its time, and may have died."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class CommitOrder:
    """Where the files of an upload have landed, by their names."""

    upload_id: int
    landed: Mapping[str, Landed]


async def commit(
    uploads: Uploads, config: Config, who: Who, order: CommitOrder, *, now: datetime, wait_s: float = WAIT_S
) -> Committed:
    """Take where the files have landed, verify them, and register them; returns how far that came.

    A commit that comes again is answered like the first. Raises `UploadOver` if nothing more of it is taken, such as
    of a run of a job that was given up, and `BadCommit` if it does not fit the upload.
    """
    try:
        upload = await _taken(uploads, who, order, now=now)
        if upload.state in ENDED:
            return told(upload)
        return await _settled_within(uploads, config, upload, who, wait_s)
    except OtherRun:
        raise
    except UploadOver:
        await give_up(uploads, order.upload_id, "The run of the job is over", now=now)
        raise


async def settle(
    uploads: Uploads, config: Config, upload: Upload, *, member: Member | None = None, wait_s: float | None = None
) -> Committed:
    """Verify the files of an upload and register them; raises `Unverified`, `TimeoutError` and `UploadOver`.

    What was found out before one of the first two is noted with the upload, and not asked again. Rights are those that
    the owner has now; `member` says so where he is asking himself.
    """
    async with uploads.db.read() as tx:
        intents = await intent_queries.select_intents(tx, upload.upload_id)
    landed = [intent for intent in intents if intent.state == IntentState.LANDED]
    found = await _looked(uploads, config, upload, _claims(upload, landed), wait_s=wait_s)
    by_id = {intent.intent_id: intent for intent in landed}
    wrong: dict[int, str] = {}
    for intent_id, fault in found.faults.items():
        wrong.setdefault(by_id[intent_id].number, f"At {by_id[intent_id].se}, {fault}")
    seen = _Seen(member or owner_of(upload, config), landed, wrong)
    try:
        return await _registered(uploads, config, upload, seen)
    except RegistrationRefused as refused:
        names = {each.lfn: each.name for each in files_of(upload)}
        return await _failed(uploads, upload, {names[lfn]: failure for lfn, failure in refused.failed.items()})


def told(upload: Upload) -> Committed:
    """Return how far an upload is; raises `UploadOver` for one that was abandoned."""
    if upload.state == UploadState.ABANDONED:
        raise UploadOver(f"The upload {upload.upload_id} was abandoned: open another one")
    if upload.state not in ENDED:
        return Committed(state=upload.state)
    return Committed(state=upload.state, files=upload.outcome["files"], failed=upload.outcome["failed"])


# -- the commit is taken -----------------------------------------------------------------------------------------------


async def _taken(uploads: Uploads, who: Who, order: CommitOrder, *, now: datetime) -> Upload:
    """Note where the files have landed, and return the upload as it is then."""
    async with uploads.db.transaction() as tx:
        upload = theirs(await queries.select_upload(tx, order.upload_id), who)
        run = run_of(upload)
        if run is not None and upload.state not in ENDED:
            # The row of the job is locked before that of the upload.
            await uploads.jobs().admit(tx, run, now=now)
        upload = theirs(await queries.lock_upload(tx, order.upload_id), who)
        if upload.state != UploadState.OPEN:
            return upload
        if upload.expires_at <= now:
            raise UploadOver(f"The upload {upload.upload_id} has expired: open another one")
        intents = await intent_queries.select_intents(tx, upload.upload_id)
        landed = _fitting(upload, intents, order.landed)
        sweep_at = max(upload.requests_until, now) + WRITERS_END_AFTER
        await intent_queries.land(tx, upload.upload_id, landed, sweep_at=sweep_at)
        document = {name: each.as_json() for name, each in order.landed.items()}
        await queries.begin_verifying(tx, upload.upload_id, landed=document, verify_at=now + TAKEN_OVER_AFTER)
        return upload._replace(state=UploadState.VERIFYING, landed=document)


def _fitting(upload: Upload, intents: Sequence[Intent], landed: Mapping[str, Landed]) -> set[tuple[int, str]]:
    """Return the places (number, storage element) where files have landed; raises `BadCommit`."""
    numbers = {each.name: number for number, each in enumerate(files_of(upload))}
    places = {(intent.number, intent.se) for intent in intents}
    for name, each in landed.items():
        if name not in numbers:
            raise BadCommit(f"{name} is not a file of the upload {upload.upload_id}")
        if (numbers[name], each.se) not in places:
            raise BadCommit(f"{name} was to be stored at one of its targets, and {each.se} is none of them")
        if not all(map(is_etag, each.etags)):
            raise BadCommit(f"{name} has parts whose ETags no storage has answered")
    missing = not_landed(_wanted(upload), landed)
    if missing and upload.is_atomic:
        raise BadCommit(f"{_some(missing)} did not land anywhere: all files of this upload, or none")
    return {(numbers[name], each.se) for name, each in landed.items()}


def _wanted(upload: Upload) -> list[str]:
    """Return the names of the files that had to be written."""
    document = upload.document
    return [
        each.name
        for each in files_of(upload)
        if not each.at and each.name not in document["known"] and each.name not in document["failed"]
    ]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


async def _settled_within(uploads: Uploads, config: Config, upload: Upload, who: Who, wait_s: float) -> Committed:
    """Settle an upload now if that takes no longer; a task goes on with it otherwise."""
    try:
        member = who if isinstance(who, Member) and who.group == upload.owner_group else None
        return await settle(uploads, config, upload, member=member, wait_s=wait_s)
    except (TimeoutError, Unverified) as error:
        log.info("upload.not_verified_yet", upload=upload.upload_id, reason=str(error)[:300] or "no answer in time")
    async with uploads.db.transaction() as tx:
        await enqueue(tx, VERIFY, [upload.upload_id], keys=[verify_key(upload.upload_id)], vo=upload.vo)
    return Committed(state=UploadState.VERIFYING)


def verify_key(upload_id: int) -> str:
    """Return what keeps two tasks from verifying one upload."""
    return f"{VERIFY.name}:{upload_id}"


# -- verified ----------------------------------------------------------------------------------------------------------


def _claims(upload: Upload, landed: Sequence[Intent]) -> list[Claim]:
    files = files_of(upload)
    said = {name: Landed.from_json(each) for name, each in (upload.landed or {}).items()}

    def claim(intent: Intent) -> Claim:
        file = files[intent.number]
        etags = said[file.name].etags if intent.is_written and file.name in said else ()
        return Claim(
            intent.intent_id, intent.se, intent.path, file.size, file.checksums, multipart=intent.multipart, etags=etags
        )

    return [claim(intent) for intent in landed]


async def _looked(
    uploads: Uploads, config: Config, upload: Upload, claims: Sequence[Claim], *, wait_s: float | None
) -> Looked:
    """Find out what is not known yet of the files of an upload; raises `Unverified` and `TimeoutError`."""
    known = Findings.from_json(upload.document.get(LOOKED))
    looked = Looked(set(known.proven), dict(known.faults))
    try:
        async with asyncio.timeout(wait_s):
            await look_at(uploads.storages, config, upload.vo, list(filter(looked.is_open, claims)), looked)
    except TimeoutError:
        await _note(uploads, upload, known.with_more(looked.proven, looked.faults))
        raise
    for reason in looked.unknown.values():
        await _note(uploads, upload, known.with_more(looked.proven, looked.faults))
        raise Unverified(reason)
    return looked


async def _note(uploads: Uploads, upload: Upload, findings: Findings) -> None:
    async with uploads.db.transaction() as tx:
        await queries.note_findings(tx, upload.upload_id, findings=findings.as_json())


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who registers, what has landed where, and what is wrong with which files."""

    member: Member
    landed: Sequence[Intent]
    wrong: Mapping[int, str]


async def _registered(uploads: Uploads, config: Config, upload: Upload, seen: _Seen) -> Committed:
    """Register what is right, in the one transaction that also ends the upload; with `atomic`, all of it or none."""
    files, landed, wrong = files_of(upload), seen.landed, seen.wrong
    places = _places(landed)
    failed = {name: Failure(Code(each["code"]), each["detail"]) for name, each in upload.document["failed"].items()}
    failed |= {files[number].name: Failure(Code.CONFLICT, fault) for number, fault in wrong.items()}
    failed |= {each.name: refusal for each in files if (refusal := foreign_place(each, seen.member)) is not None}
    lost = Failure(Code.NOT_FOUND, "It did not land anywhere")
    right = [number for number in sorted(places) if files[number].name not in failed]
    failed |= {name: lost for name in _wanted(upload) if name not in failed and name not in _names(files, right)}
    if failed and upload.is_atomic:
        return await _failed(uploads, upload, failed)
    new = [new_file(files[number], places[number]) for number in right]
    # What was registered when the upload was opened may have been deleted since: then it fails.
    new += [new_file(each) for each in files if each.name in upload.document["known"] and each.name not in failed]
    return await _write(uploads, config, upload, _Verified(seen.member, new, failed, landed))


@dataclass(frozen=True, slots=True)
class _Verified:
    """What is known of the files of an upload once they were looked at, and who registers them."""

    member: Member
    new: Sequence[NewFile]
    failed: Mapping[str, Failure]
    landed: Sequence[Intent]


async def _write(uploads: Uploads, config: Config, upload: Upload, verified: _Verified) -> Committed:
    now, run = utcnow(), run_of(upload)
    async with uploads.db.transaction() as tx:
        if run is not None:
            await uploads.jobs().admit(tx, run, now=now)
        locked = await queries.lock_upload(tx, upload.upload_id)
        if locked is None or locked.state != UploadState.VERIFYING:
            # Somebody else was faster, or its owner has given it up.
            return told(upload if locked is None else locked)
        outcome = Outcome()
        if verified.new or run is not None:
            outcome = await register(
                tx,
                verified.member,
                verified.new,
                Terms(upload.is_atomic, now, None if run is None else JobRun(run.job_id, run.attempt)),
                config=config,
                now=now,
            )
        committed = _committed(upload, outcome, verified.failed)
        await _end(tx, upload, committed, verified.landed, now=now)
        if run is not None:
            if committed.state == UploadState.REGISTERED:
                await uploads.jobs().registered(tx, run, now=now)
            else:
                await uploads.jobs().failed(tx, run, _reason(committed.failed), now=now)
    return committed


def _committed(upload: Upload, outcome: Outcome, failed: Mapping[str, Failure]) -> Committed:
    names = {each.lfn: each.name for each in files_of(upload)}
    files: dict[str, Any] = {
        names[lfn]: {"lfn": lfn, "file_id": each["file_id"]} for lfn, each in outcome.success.items()
    }
    all_failed = {**failed, **{names[lfn]: failure for lfn, failure in outcome.failed.items()}}
    is_empty = all_failed and not files
    return Committed(state=UploadState.FAILED if is_empty else UploadState.REGISTERED, files=files, failed=all_failed)


async def _failed(uploads: Uploads, upload: Upload, failed: Mapping[str, Failure]) -> Committed:
    """End an upload of which nothing is registered."""
    now, run = utcnow(), run_of(upload)
    committed = Committed(state=UploadState.FAILED, failed=dict(failed))
    async with uploads.db.transaction() as tx:
        if run is not None:
            await uploads.jobs().admit(tx, run, now=now)
        locked = await queries.lock_upload(tx, upload.upload_id)
        if locked is None or locked.state != UploadState.VERIFYING:
            return told(upload if locked is None else locked)
        await _end(tx, upload, committed, (), now=now)
        if run is not None:
            await uploads.jobs().failed(tx, run, _reason(failed), now=now)
    log.info("upload.failed", upload=upload.upload_id, files=len(failed), reason=_reason(failed)[:300])
    return committed


async def _end(tx: Tx, upload: Upload, committed: Committed, landed: Sequence[Intent], *, now: datetime) -> None:
    """Note what has become of an upload; where a replica lies now needs no intent, the rest is left to the sweep.

    A file that others have registered at the same storage element meanwhile, with the same content, is a success whose
    bytes nobody needs.
    """
    told_later = committed.model_dump(mode="json", include={"files", "failed"})
    await queries.end_upload(tx, upload.upload_id, state=committed.state, outcome=told_later, now=now)
    if landed:
        taken = await paths_taken(tx, sorted({(each.se, each.path) for each in landed}), vo=upload.vo)
        await intent_queries.delete_intents(tx, [each.intent_id for each in landed if (each.se, each.path) in taken])
    await intent_queries.abandon(tx, [upload.upload_id], now=now, writers_end_after=WRITERS_END_AFTER)


def _places(landed: Iterable[Intent]) -> dict[int, list[NewReplica]]:
    places: dict[int, list[NewReplica]] = {}
    for intent in landed:
        places.setdefault(intent.number, []).append(NewReplica(intent.se, intent.path))
    return places


def _names(files: Sequence[Wanted], numbers: Iterable[int]) -> set[str]:
    return {files[number].name for number in numbers}


def _reason(failed: Mapping[str, Failure]) -> str:
    name, failure = next(iter(failed.items()))
    more = f" ({len(failed)} files in all)" if len(failed) > 1 else ""
    return f"{name}: {failure.detail}{more}"
