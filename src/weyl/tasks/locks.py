"""Named locks across workers: taken or not at once, kept alive while held, with a fencing number."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.ids import uuid7
from weyl.tasks import queries

log = structlog.get_logger(__name__)

TTL = timedelta(seconds=30)


@asynccontextmanager
async def hold(db: Database, key: str, *, ttl: timedelta = TTL) -> AsyncIterator[int | None]:
    """Hold the lock `key` during the block; yields its fencing number, or none if another holder has it.

    A holder that dies loses it after `ttl`.
    """
    holder = uuid7().hex
    async with db.transaction() as tx:
        fencing = await queries.take_lock(tx, key, holder, now=utcnow(), ttl=ttl)
    if fencing is None:
        yield None
        return
    keeper = asyncio.create_task(_keep(db, key, holder, ttl))
    try:
        yield fencing
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        async with db.transaction() as tx:
            await queries.release_lock(tx, key, holder, now=utcnow())


async def _keep(db: Database, key: str, holder: str, ttl: timedelta) -> None:
    while True:
        await asyncio.sleep(ttl.total_seconds() / 3)
        async with db.transaction() as tx:
            if not await queries.extend_lock(tx, key, holder, expires_at=utcnow() + ttl):
                log.error("lock.lost", key=key)
                return
