"""Uploads until their files have landed: opened, shown again with new requests, given up."""

from datetime import datetime

from weyl.config.models import Config
from weyl.file_catalog.permits import Member
from weyl.kit.db import Tx
from weyl.storage.errors import UploadDiffers, UploadOver
from weyl.storage.models.uploads import Opened, UploadLine
from weyl.storage.queries import intents as intent_queries
from weyl.storage.queries import uploads as queries
from weyl.storage.queries.intents import Intent
from weyl.storage.queries.uploads import Upload
from weyl.storage.service.opening import insert, targets_of
from weyl.storage.service.requests import shown
from weyl.storage.service.state import UploadOrder, Uploads, Who, end_abandoned, theirs
from weyl.storage.uploads import ENDED, REQUESTS_LAST, UploadState


async def open_upload(uploads: Uploads, config: Config, member: Member, order: UploadOrder, *, now: datetime) -> Opened:
    """Check what is to be uploaded, note where it may be written, and return the requests that write it.

    Asked again for the same run of a job it is the same upload. Raises `UploadRefused` if all or nothing was asked for
    and some file cannot be registered.
    """
    chosen = targets_of(uploads, config, member.vo, order)
    upload, intents = None, list[Intent]()
    while upload is None:
        async with uploads.db.transaction() as tx:
            upload = await _upload_of_run(tx, order, now=now)
            if upload is None:
                # None once more: another request for this run has come before.
                upload, intents = await insert(tx, config, member, order, chosen=chosen, now=now)
            else:
                intents = await _renewed(tx, upload, now=now)
    return await shown(uploads, config, upload, intents, now=now)


async def renew(uploads: Uploads, config: Config, who: Who, upload_id: int, *, now: datetime) -> Opened:
    """Return an upload with new requests; raises `UploadNotFound`."""
    async with uploads.db.transaction() as tx:
        upload = theirs(await queries.lock_upload(tx, upload_id), who)
        intents = await _renewed(tx, upload, now=now)
    return await shown(uploads, config, upload, intents, now=now)


async def abandon(uploads: Uploads, who: Who, upload_id: int, *, now: datetime) -> None:
    """End an upload that its owner does not want any more; raises `UploadNotFound` and `UploadOver`."""
    async with uploads.db.transaction() as tx:
        upload = theirs(await queries.lock_upload(tx, upload_id), who)
        if upload.state in ENDED - {UploadState.ABANDONED}:
            raise UploadOver(f"The upload {upload_id} has ended: it is {upload.state}")
        await end_abandoned(tx, upload, "It was given up", now=now)


async def list_uploads(tx: Tx, member: Member, *, before: int, limit: int) -> list[UploadLine]:
    """Return a person's own uploads below an id, the newest first."""
    rows = await queries.select_shown(tx, vo=member.vo, owner=member.username, before=before, limit=limit)
    return [UploadLine.model_validate(row) for row in rows]


async def _upload_of_run(tx: Tx, order: UploadOrder, *, now: datetime) -> Upload | None:
    """Return the upload that the run of a job has already; that of another pilot is abandoned if it is alive."""
    if order.job is None:
        return None
    found = await queries.select_upload_of_run(tx, order.job.job_id, order.job.attempt)
    upload = None if found is None else await queries.lock_upload(tx, found.upload_id)
    if upload is None or upload.state == UploadState.ABANDONED:
        return None
    if upload.state not in ENDED and upload.pilot_stamp != order.pilot_stamp:
        await end_abandoned(tx, upload, "Another pilot has the job now", now=now)
        return None
    if upload.state == UploadState.OPEN and upload.document["files"] != [each.as_json() for each in order.files]:
        raise UploadDiffers(f"The outputs of this run are being uploaded as other files (upload {upload.upload_id})")
    return upload


async def _renewed(tx: Tx, upload: Upload, *, now: datetime) -> list[Intent]:
    """Note that requests of a locked upload will last longer, and return the places that they are for."""
    if upload.state != UploadState.OPEN:
        return []
    await queries.extend_requests(tx, upload.upload_id, until=now + REQUESTS_LAST)
    return await intent_queries.select_intents(tx, upload.upload_id)
