"""The requests that write the files of an upload, made between transactions: some need an answer of the storage."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from weyl.config.models import Config
from weyl.storage.drivers.driver import Request, Wish
from weyl.storage.elements import BadPath
from weyl.storage.errors import StorageError, UnknownElement
from weyl.storage.models.uploads import FileOpened, Opened, Target
from weyl.storage.queries.intents import Intent, update_multiparts
from weyl.storage.queries.uploads import Upload
from weyl.storage.service.reach import Reached
from weyl.storage.service.state import Uploads, files_of
from weyl.storage.uploads import ENDED, REQUESTS_LAST, UploadState, Wanted

log = structlog.get_logger(__name__)

REQUESTS_AT_ONCE = 16


async def shown(
    uploads: Uploads, config: Config, upload: Upload, intents: Sequence[Intent], *, now: datetime
) -> Opened:
    """Return an upload as its client sees it, with a request for each place that is open now."""
    if upload.state in ENDED:
        return _ended(upload)
    requests: dict[int, Request] = {}
    if upload.state == UploadState.OPEN:
        requests = await _requests(uploads, config, upload, [each for each in intents if each.is_written], now=now)
    targets: dict[int, list[Target]] = {}
    for each in sorted(intents, key=lambda intent: (intent.number, intent.rank)):
        if each.intent_id in requests:
            target = Target(se=each.se, request=requests[each.intent_id].as_json())
            targets.setdefault(each.number, []).append(target)
    known, failed = upload.document["known"], upload.document["failed"]
    files = {
        each.name: FileOpened(
            lfn=each.lfn,
            state="registered" if each.name in known else "wanted",
            targets=targets.get(number, []),
            file_id=known.get(each.name, {}).get("file_id"),
        )
        for number, each in enumerate(files_of(upload))
        if each.name not in failed
    }
    return Opened(
        upload_id=upload.upload_id, state=upload.state, expires_at=upload.expires_at, files=files, failed=failed
    )


def _ended(upload: Upload) -> Opened:
    """Return what has become of an upload: files that were registered, and the others with the reason."""
    registered: dict[str, dict[str, Any]] = upload.outcome["files"]
    files = {
        name: FileOpened(lfn=each["lfn"], state="registered", file_id=each["file_id"])
        for name, each in registered.items()
    }
    return Opened(
        upload_id=upload.upload_id,
        state=upload.state,
        expires_at=upload.expires_at,
        files=files,
        failed=upload.outcome["failed"],
    )


async def _requests(
    uploads: Uploads, config: Config, upload: Upload, intents: Sequence[Intent], *, now: datetime
) -> dict[int, Request]:
    """Return the request of each place; places whose storage cannot be written now are left out."""
    files, gate = files_of(upload), asyncio.Semaphore(REQUESTS_AT_ONCE)
    doors = _doors(uploads, config, upload, {each.se for each in intents})

    async def request(intent: Intent) -> Request | None:
        async with gate:
            return await _request(doors[intent.se], intent, _wish(upload, files[intent.number], intent, now=now))

    open_ones = [each for each in intents if each.se in doors]
    made = await asyncio.gather(*(request(each) for each in open_ones))
    requests = {each.intent_id: one for each, one in zip(open_ones, made, strict=True) if one is not None}
    begun = {
        each.intent_id: one.upload
        for each in open_ones
        if (one := requests.get(each.intent_id)) is not None and one.upload not in (None, each.multipart)
    }
    if begun:
        async with uploads.db.transaction() as tx:
            await update_multiparts(tx, {intent_id: str(multipart) for intent_id, multipart in begun.items()})
    return requests


def _doors(uploads: Uploads, config: Config, upload: Upload, ses: set[str]) -> dict[str, Reached]:
    """Return the doors through which the client may write now."""
    doors: dict[str, Reached] = {}
    for se in sorted(ses):
        try:
            doors[se] = uploads.storages.open_for(
                config,
                se,
                vo=upload.vo,
                access="write",
                site=upload.document["site"],
                protocols=upload.document["protocols"],
            )
        except (StorageError, UnknownElement) as error:
            log.info("upload.target_closed", se=se, upload=upload.upload_id, reason=str(error)[:300])
    return doors


def _wish(upload: Upload, wanted: Wanted, intent: Intent, *, now: datetime) -> Wish:
    return Wish(
        operation="write",
        now=now,
        expires_s=int(REQUESTS_LAST.total_seconds()),
        subject=upload.owner if upload.job_id is None else f"job {upload.job_id}",
        size=wanted.size,
        sha256=wanted.checksums.sha256,
        upload=intent.multipart,
    )


async def _request(door: Reached, intent: Intent, wish: Wish) -> Request | None:
    try:
        return await door.driver.request(door.path(intent.path), wish)
    except (StorageError, BadPath) as error:
        log.info("upload.no_request", se=intent.se, path=intent.path, reason=str(error)[:300])
        return None
