"""An upload between two requests: whose it is, what it is to register, and how it ends without that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.permits import Member
from weyl.file_catalog.policy import member
from weyl.file_catalog.registrations import JobRun
from weyl.kit.db import Database, Tx
from weyl.kit.services import Key
from weyl.storage.additions import JobUploads, RunUpload
from weyl.storage.errors import OtherRun, UploadNotFound, UploadOver
from weyl.storage.queries import intents as intent_queries
from weyl.storage.queries import uploads as queries
from weyl.storage.queries.uploads import Upload
from weyl.storage.service.reach import Storages
from weyl.storage.uploads import ENDED, WRITERS_END_AFTER, UploadState, Wanted


@dataclass(frozen=True, slots=True)
class Uploads:
    """What a process has for uploads, whether it serves them or works on them."""

    db: Database
    storages: Storages
    jobs: Callable[[], JobUploads]
    """Returns what a higher room has put there by the time that it is asked."""


UPLOADS: Key[Uploads] = Key("the uploads")


@dataclass(frozen=True, slots=True)
class UploadOrder:
    """What is to be uploaded, where to, and for which run of which job."""

    files: Sequence[Wanted]
    ses: Sequence[str] | None = None
    """Storage elements in order of preference; None: those of the site, or of the VO."""
    site: str | None = None
    protocols: Sequence[str] | None = None
    is_atomic: bool = False
    job: JobRun | None = None
    pilot_stamp: str | None = None
    failed: Mapping[str, Failure] = field(default_factory=dict)
    """Files that cannot even be meant, by name."""


Who = Member | JobRun
"""Whose upload it must be: a person's own, or that of a run of a job."""


def theirs(upload: Upload | None, who: Who) -> Upload:
    """Return an upload if it is theirs; raises `UploadNotFound`, or `UploadOver` for another run of the same job."""
    if upload is not None and isinstance(who, Member):
        if upload.job_id is None and (upload.vo, upload.owner) == (who.vo, who.username):
            return upload
    elif upload is not None and isinstance(who, JobRun) and upload.job_id == who.job_id:
        if upload.attempt == who.attempt:
            return upload
        raise OtherRun(f"The upload {upload.upload_id} is of another run of the job {who.job_id}")
    raise UploadNotFound("There is no such upload of yours")


def files_of(upload: Upload) -> list[Wanted]:
    """Return what a live upload is to register; of one that has ended, nothing."""
    return [Wanted.from_json(each) for each in upload.document.get("files", ())]


def run_of(upload: Upload) -> RunUpload | None:
    """Return the upload as that of a run of a job, if it is one."""
    if upload.job_id is None or upload.attempt is None:
        return None
    return RunUpload(upload.upload_id, upload.vo, upload.job_id, upload.attempt, upload.pilot_stamp)


def owner_of(upload: Upload, config: Config) -> Member:
    """Return whose rights count for the files of an upload: its owner's, as his group has them now."""
    vo = config.registry.get(upload.vo)
    group = None if vo is None else vo.groups.get(upload.owner_group)
    return member(upload.vo, upload.owner, upload.owner_group, frozenset() if group is None else group.properties)


async def end_abandoned(tx: Tx, upload: Upload, reason: str, *, now: datetime) -> None:
    """Abandon a locked upload, and leave its places to the sweeping; one that has ended stays as it is."""
    if upload.state in ENDED:
        return
    failed = {each.name: asdict(Failure(Code.CONFLICT, reason)) for each in files_of(upload)}
    outcome = {"files": {}, "failed": failed}
    await queries.end_upload(tx, upload.upload_id, state=UploadState.ABANDONED, outcome=outcome, now=now)
    await intent_queries.abandon(tx, [upload.upload_id], now=now, writers_end_after=WRITERS_END_AFTER)


async def give_up(uploads: Uploads, upload_id: int, reason: str, *, now: datetime) -> None:
    """Abandon an upload that nobody will commit any more; a job that waited for it hears of it."""
    async with uploads.db.transaction() as tx:
        found = await queries.select_upload(tx, upload_id)
        run = None if found is None else run_of(found)
        is_over = False
        if run is not None:
            try:
                # The row of the job is locked before that of the upload, here as in a commit.
                await uploads.jobs().admit(tx, run, now=now)
            except UploadOver:
                is_over = True
        upload = await queries.lock_upload(tx, upload_id)
        if upload is None or upload.state in ENDED:
            return
        await end_abandoned(tx, upload, reason, now=now)
        if run is not None and not is_over and upload.state == UploadState.VERIFYING:
            await uploads.jobs().failed(tx, run, reason, now=now)
