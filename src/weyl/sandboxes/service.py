"""What happens to sandboxes: announced, assigned to jobs, checked, repacked, and removed when nobody needs them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.s3 import ObjectStore
from weyl.kit.services import Key
from weyl.kit.task import Task
from weyl.sandboxes import contents, queries
from weyl.sandboxes.errors import (
    SandboxAlreadyAssigned,
    SandboxNotFound,
    SandboxNotReady,
    SandboxNotYours,
    SandboxTooLarge,
    SandboxUnknown,
)
from weyl.sandboxes.models import Owner, SandboxDownloadResponse, SandboxInfo, SandboxUploadResponse, bare_pfn
from weyl.sandboxes.names import make_pfn, object_key, repacked_key, with_prefix
from weyl.sandboxes.permits import Announcer, ReadScope
from weyl.tasks.service import enqueue

log = structlog.get_logger(__name__)

URL_LIFETIME_S = 300
SWEEP_BATCH = 500
RELEASED_KEPT = timedelta(days=1)
"""How long a sandbox that its jobs let go of is kept: a download may be under way."""
UNVERIFIED_AGE = timedelta(hours=1)
RETRY_AFTER_S = 2

VERIFY = Task("sandboxes.verify", attempts_max=10)
REPACK = Task("sandboxes.repack")
CLEAN = Task("sandboxes.clean", every=timedelta(hours=1), lock="sandboxes.clean")

OnBroken = Callable[[Tx, Sequence[int]], Awaitable[None]]
"""Told, in the transaction that finds out, which jobs need a sandbox that is wrong or missing."""
ON_BROKEN: Key[OnBroken] = Key("what broken sandboxes lead to")
"""Filled in by a higher room, which knows the jobs."""


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What an installation says about uploads: the name of its store in PFNs, and the largest sandbox."""

    sandbox_se: str
    bytes_max: int


async def announce(
    db: Database, store: ObjectStore, *, announcer: Announcer, info: SandboxInfo, rules: UploadRules, now: datetime
) -> SandboxUploadResponse:
    """Name a sandbox and say where to upload it, unless the store has it; asks the store outside any transaction."""
    if info.size > rules.bytes_max:
        raise SandboxTooLarge(
            f"Sandbox too large: {info.size} bytes, and {rules.bytes_max} are allowed. "
            "Keep large files on a storage element"
        )
    owner = announcer.owner
    pfn = make_pfn(store.bucket, vo=owner.vo, group=announcer.group, username=owner.username, info=info)
    full_pfn = with_prefix(pfn, rules.sandbox_se)
    sha256 = info.checksum.lower()
    async with db.read() as tx:  # one statement, which commits itself
        known = await queries.upsert_announced(
            tx, announcer, pfn=pfn, size=info.size, sha256=bytes.fromhex(sha256), now=now
        )
    if known is None:
        raise SandboxNotReady("The sandbox's old object is being removed: try again", retry_after_s=RETRY_AFTER_S)
    if known.is_verified:
        return SandboxUploadResponse(pfn=full_pfn)

    await store.make_ready()
    key = object_key(pfn)
    # The store is asked only for what may be there: a sandbox that nobody has announced before is not.
    stored = None if known.is_new else await store.head(key)
    # A store that keeps no checksums cannot tell: the check after the assignment reads the object then.
    if stored and stored.size == info.size and stored.sha256 in {sha256, None}:
        return SandboxUploadResponse(pfn=full_pfn)
    form = store.upload_form(key, sha256=sha256, size=info.size, now=now, expires_s=URL_LIFETIME_S)
    return SandboxUploadResponse(pfn=full_pfn, url=form.url, fields=form.fields)


async def download(
    db: Database, store: ObjectStore, *, scope: ReadScope, pfn: str, now: datetime
) -> SandboxDownloadResponse:
    """Say where a sandbox can be read."""
    name = bare_pfn(pfn)
    async with db.read() as tx:
        await _use(tx, scope, name=name, now=now)
    return _download_response(store, object_key(name))


async def download_repacked(
    db: Database, store: ObjectStore, *, scope: ReadScope, pfn: str, now: datetime
) -> SandboxDownloadResponse:
    """Say where a copy as tar.bz2 can be read; the first to ask has it packed, and is told to come back."""
    name = bare_pfn(pfn)
    if not name.endswith(".tar.zst"):
        return await download(db, store, scope=scope, pfn=pfn, now=now)
    async with db.transaction() as tx:
        readable = await _use(tx, scope, name=name, now=now)
        if not readable.is_repacked:
            sandbox_id = readable.sandbox_id
            await enqueue(tx, REPACK, [sandbox_id], keys=[f"{REPACK.name}:{sandbox_id}"])
    if not readable.is_repacked:
        raise SandboxNotReady("The copy as tar.bz2 is being packed: try again", retry_after_s=RETRY_AFTER_S)
    return _download_response(store, repacked_key(name))


def _download_response(store: ObjectStore, key: str) -> SandboxDownloadResponse:
    return SandboxDownloadResponse(url=store.download_url(key, expires_s=URL_LIFETIME_S), expires_in=URL_LIFETIME_S)


async def _use(tx: Tx, scope: ReadScope, *, name: str, now: datetime) -> queries.Readable:
    readable = await queries.select_readable(tx, scope, pfn=name)
    if readable is None:
        if scope.is_administrator and name.split("/")[3] == scope.vo:
            raise SandboxNotFound("No such sandbox")
        raise SandboxNotYours("You may read your own sandboxes only, and there is none of this name")
    if readable.last_access < now - queries.LAST_ACCESS_PRECISION:
        await queries.update_last_access(tx, readable.sandbox_id, now=now)
    return readable


async def assign_inputs(tx: Tx, assignments: Sequence[tuple[int, str]], owner: tuple[str, str]) -> None:
    """Assign input sandboxes to new jobs: pairs of a job and a name, all in the area of the owner (VO, username).

    Unknown names refuse the whole call. What nobody checked yet is checked by a task after the commit.
    """
    if not assignments:
        return
    names = {pfn: bare_pfn(pfn) for _, pfn in assignments}
    found = await queries.lock_assignable(tx, sorted(set(names.values())), owner=Owner(*owner))
    if len(found) < len(set(names.values())):
        raise SandboxUnknown
    rows = {(job_id, queries.INPUT, found[names[pfn]][0]): None for job_id, pfn in assignments}
    await queries.insert_assignments(tx, list(rows))
    await _enqueue_checks(tx, [sandbox_id for sandbox_id, is_verified in found.values() if not is_verified])


async def unassignable(tx: Tx, names: Sequence[str], owner: tuple[str, str]) -> set[str]:
    """Return those of these names that could not be assigned to jobs of an owner (VO, username)."""
    found = await queries.lock_assignable(tx, [bare_pfn(name) for name in names], owner=Owner(*owner))
    return {name for name in names if bare_pfn(name) not in found}


async def assign_output(tx: Tx, job_id: int, *, pfn: str, owner: tuple[str, str]) -> None:
    """Assign an output sandbox to a job; it must be in the area of the job's owner (VO, username)."""
    found = await queries.lock_assignable(tx, [bare_pfn(pfn)], owner=Owner(*owner))
    if not found:
        raise SandboxUnknown
    [(sandbox_id, is_verified)] = found.values()
    if not await queries.insert_assignments(tx, [(job_id, queries.OUTPUT, sandbox_id)]):
        raise SandboxAlreadyAssigned
    if not is_verified:
        await _enqueue_checks(tx, [sandbox_id])


async def keep_one_output(tx: Tx, job_id: int, *, name: str) -> None:
    """Take all output sandboxes from a job but the one of this name (without prefix)."""
    await queries.delete_other_outputs(tx, job_id, kept=name)


async def unassign(tx: Tx, job_ids: Sequence[int]) -> None:
    """Take input and output sandboxes from the jobs."""
    await queries.delete_assignments(tx, job_ids)


async def job_sandboxes(tx: Tx, job_ids: Sequence[int]) -> dict[int, dict[str, list[str]]]:
    """Return the names, without prefix, of what each job has."""
    answer: dict[int, dict[str, list[str]]] = {job_id: {queries.INPUT: [], queries.OUTPUT: []} for job_id in job_ids}
    for job_id, kind, pfn in await queries.select_assigned(tx, job_ids):
        answer[job_id][kind].append(pfn)
    return answer


async def _enqueue_checks(tx: Tx, sandbox_ids: Sequence[int]) -> None:
    await enqueue(tx, VERIFY, sandbox_ids, keys=[f"{VERIFY.name}:{sandbox_id}" for sandbox_id in sandbox_ids])


async def verify(db: Database, store: ObjectStore, *, sandbox_id: int, on_broken: OnBroken) -> None:
    """Compare the object with what was announced; delete a wrong one and tell which jobs need it."""
    async with db.read() as tx:
        known = await queries.select_known(tx, sandbox_id)
    if known is None:
        return
    key = object_key(known.pfn)
    if await contents.is_intact(store, key, size=known.size, sha256=known.sha256):
        async with db.transaction() as tx:
            await queries.update_verified(tx, sandbox_id, now=utcnow())
        return
    await store.delete([key])
    async with db.transaction() as tx:
        job_ids = await queries.release_broken(tx, sandbox_id, now=utcnow())
        if job_ids:
            await on_broken(tx, job_ids)
    log.warning("sandbox.broken", pfn=known.pfn, jobs=len(job_ids))


async def repack(db: Database, store: ObjectStore, *, sandbox_id: int) -> None:
    """Pack a sandbox once more as tar.bz2, for nodes that cannot read Zstandard."""
    async with db.read() as tx:
        pfn = await queries.select_pfn(tx, sandbox_id)
    if pfn is None:
        return
    archive = await contents.read(store, object_key(pfn))
    if archive is None:
        return
    repacked = await contents.repack_as_bz2(archive)
    if repacked is None:
        log.warning("sandbox.not_repacked", pfn=pfn)
        return
    await store.put(repacked_key(pfn), repacked)
    async with db.transaction() as tx:
        await queries.update_repacked(tx, sandbox_id, now=utcnow())


async def clean(db: Database, store: ObjectStore, *, unassigned_days: float, now: datetime) -> int:
    """Remove what no job has and nobody used for long: the object first, its row after; returns how many."""
    removed = 0
    while batch := await _mark_unused(db, now=now, idle_since=now - timedelta(days=unassigned_days)):
        keys = {object_key(pfn): sandbox_id for sandbox_id, pfn in batch.items()}
        copies = [repacked_key(pfn) for pfn in batch.values() if pfn.endswith(".tar.zst")]
        failed = await store.delete([*keys, *copies])
        gone = [sandbox_id for key, sandbox_id in keys.items() if key not in failed]
        async with db.transaction() as tx:
            await queries.delete_swept(tx, gone)
        removed += len(gone)
        if failed:
            log.warning("sandbox.not_deleted", keys=sorted(failed)[:10], count=len(failed))
            break
    async with db.transaction() as tx:
        late = await queries.select_unverified(tx, before=now - UNVERIFIED_AGE, limit=SWEEP_BATCH)
        await _enqueue_checks(tx, late)
    return removed


async def _mark_unused(db: Database, *, now: datetime, idle_since: datetime) -> dict[int, str]:
    async with db.transaction() as tx:
        locked = await queries.lock_unused(
            tx, idle_since=idle_since, released_before=now - RELEASED_KEPT, limit=SWEEP_BATCH
        )
        return await queries.mark_sweeping(tx, locked, now=now) if locked else {}
