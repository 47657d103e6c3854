"""What uploads leave behind: those that nobody commits end, and what they may have written goes with its intent."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.file_catalog.service.purging import paths_taken
from weyl.storage.queries import intents as intent_queries
from weyl.storage.queries import uploads as queries
from weyl.storage.queries.intents import Sweepable
from weyl.storage.service.commit import VERIFY, verify_key
from weyl.storage.service.removal import remove
from weyl.storage.service.state import Uploads, give_up
from weyl.tasks.service import enqueue

log = structlog.get_logger(__name__)

BATCH = 1_000
TURNS_MAX = 100
AGAIN_AFTER = timedelta(minutes=10)
"""When somebody else takes up what was taken to be swept, because whoever took it has died."""
WITHIN_S = 300.0
"""Whoever took it deletes nothing any more after that, long before."""
DELAY_MIN, DELAY_MAX = timedelta(minutes=1), timedelta(hours=6)
ENDED_KEPT = timedelta(days=7)
REASON_CHARACTERS_MAX = 1_000


async def sweep(uploads: Uploads, config: Config, *, now: datetime) -> None:
    """End uploads whose time is over, have others verified, and delete what nobody will register."""
    await _expire(uploads, now=now)
    async with uploads.db.transaction() as tx:
        upload_ids = await queries.select_unverified(tx, now=now, limit=BATCH)
        await enqueue(tx, VERIFY, upload_ids, keys=[verify_key(upload_id) for upload_id in upload_ids])
    for _ in range(TURNS_MAX):
        async with uploads.db.transaction() as tx:
            batch = await intent_queries.take_sweepable(tx, now=now, again_at=now + AGAIN_AFTER, limit=BATCH)
        if not batch:
            break
        await _sweep(uploads, config, batch, now=now)
    async with uploads.db.transaction() as tx:
        await queries.delete_ended(tx, before=now - ENDED_KEPT, limit=BATCH)


async def _expire(uploads: Uploads, *, now: datetime) -> None:
    async with uploads.db.read() as tx:
        expired = await queries.select_expired(tx, now=now, limit=BATCH)
    # A transaction each: the row of a job is locked before that of its upload.
    for upload_id in expired:
        await give_up(uploads, upload_id, "It was not committed and verified in time", now=now)
        log.info("upload.expired", upload=upload_id)


async def _sweep(uploads: Uploads, config: Config, batch: Sequence[Sweepable], *, now: datetime) -> None:
    """Delete what lies at these places, and forget them; those whose storage refuses are tried again later."""
    done, late, ends_at = [], dict[int, tuple[datetime, str]](), time.monotonic() + WITHIN_S
    for vo in sorted({each.vo for each in batch}):
        mine = [each for each in batch if each.vo == vo]
        places = [(each.se, each.path) for each in mine]
        async with uploads.db.read() as tx:
            # Somebody who may vouch for files has registered what lies there.
            taken = await paths_taken(tx, places, vo=vo)
        ours = [each for each in mine if each.is_written and (each.se, each.path) not in taken]
        mine_s = max(ends_at - time.monotonic(), 0.0)
        refused = await remove(uploads.storages, config, vo, [(each.se, each.path) for each in ours], within_s=mine_s)
        for each in mine:
            if each in ours and (each.se, each.path) in refused:
                reason = refused[each.se, each.path][:REASON_CHARACTERS_MAX]
                late[each.intent_id] = (now + _delay(each.tries), reason)
            else:
                done.append(each.intent_id)
    async with uploads.db.transaction() as tx:
        await intent_queries.delete_intents(tx, done)
        if late:
            await intent_queries.postpone(tx, late)
    if late:
        _, reason = next(iter(late.values()))
        log.warning("upload.not_swept", places=len(late), reason=reason[:300])


def _delay(tries: int) -> timedelta:
    return min(DELAY_MIN * 2.0 ** min(tries - 1, 20), DELAY_MAX)
