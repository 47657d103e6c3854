"""Locks and limits across workers: all taken or none, kept alive while held, with fencing numbers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from weyl.kit.db import Database, Tx
from weyl.kit.ids import uuid7
from weyl.kit.pool import DRIVER_ERRORS, CommitInDoubt
from weyl.tasks.errors import LockLost
from weyl.tasks.needs import Need
from weyl.tasks.queries import locks as queries

log = structlog.get_logger(__name__)

TTL = timedelta(seconds=30)
DATABASE_AWAY = (CommitInDoubt, SQLAlchemyError, *DRIVER_ERRORS)


class NotTaken(Exception):
    """Somebody else has what is wanted; the transaction that tried is rolled back by this."""

    def __init__(self, key: str, wait_s: float = 0) -> None:
        super().__init__(key)
        self.key = key
        self.wait_s = wait_s


@dataclass(slots=True)
class Held:
    """What a run holds."""

    fencing: dict[str, int] = field(default_factory=dict)


async def take(tx: Tx, needs: Sequence[Need], *, holder: str, task: str, ttl: timedelta = TTL) -> dict[str, int]:
    """Take all that is needed, or raise `NotTaken`; returns the fencing numbers by key."""
    locks = [need for need in needs if need.mode != "token"]
    fencing: dict[str, int] = {}
    if locks:
        fencing, refused = await queries.take_locks(tx, locks, holder=holder, task=task, ttl_s=ttl.total_seconds())
        if refused is not None:
            raise NotTaken(refused)
    for need in needs:
        if need.mode == "token" and (wait_s := await queries.take_token(tx, need)) is not None:
            raise NotTaken(need.key, wait_s)
    return fencing


@asynccontextmanager
async def holding(db: Database, needs: Sequence[Need], *, task: str = "", ttl: timedelta = TTL) -> AsyncIterator[Held]:
    """Hold all that is needed during the block; raises `NotTaken` before it, and `LockLost` in it.

    A holder that dies loses all of it after `ttl`.
    """
    holder = uuid7().hex
    held = Held(await _take_all(db, needs, holder=holder, task=task, ttl=ttl))
    if not held.fencing:
        yield held
        return
    keeper = _Keeper(db, holder, ttl, count=len(held.fencing))
    keeping = asyncio.create_task(keeper.run(asyncio.current_task()))
    try:
        yield held
    except asyncio.CancelledError:
        if not keeper.is_lost:
            raise
        current = asyncio.current_task()
        if current is not None:
            current.uncancel()
        raise LockLost(f"{task or 'A holder'} lost {', '.join(sorted(held.fencing))}") from None
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await _release(db, holder)


async def _take_all(db: Database, needs: Sequence[Need], *, holder: str, task: str, ttl: timedelta) -> dict[str, int]:
    """Take places first and locks after them, each as quickly as it can be."""
    fencing: dict[str, int] = {}
    places = [need for need in needs if need.mode == "slot"]
    for part in (places, [need for need in needs if need.mode != "slot"]):
        if not part:
            continue
        # One statement commits by itself; with tokens it must come to nothing as a whole.
        has_tokens = any(need.mode == "token" for need in part)
        try:
            async with db.transaction() if has_tokens else db.read() as tx:
                fencing |= await take(tx, part, holder=holder, task=task, ttl=ttl)
        except NotTaken:
            if fencing:
                await _release(db, holder)
            raise
    return fencing


async def _release(db: Database, holder: str) -> None:
    try:
        async with db.read() as tx:  # one statement, committed by itself
            await queries.release_locks(tx, holder)
    except DATABASE_AWAY as error:
        # What was done is done; the locks end with their time.
        log.warning("lock.not_released", holder=holder, error=repr(error))


@asynccontextmanager
async def hold(db: Database, key: str, *, ttl: timedelta = TTL) -> AsyncIterator[int | None]:
    """Hold the lock `key` during the block; yields its fencing number, or none if another holder has it."""
    taken = False
    try:
        async with holding(db, [Need(key)], task=key, ttl=ttl) as held:
            taken = True
            yield held.fencing[key]
    except NotTaken:
        if taken:
            raise
    if not taken:
        yield None


class _Keeper:
    """Extends locks while they are held, and stops the holder when they are lost."""

    def __init__(self, db: Database, holder: str, ttl: timedelta, *, count: int) -> None:
        self._db = db
        self._holder = holder
        self._ttl = ttl
        self._count = count
        self.is_lost = False

    async def run(self, owner: "asyncio.Task[object] | None") -> None:
        """Extend until cancelled or lost."""
        loop = asyncio.get_running_loop()
        ttl_s = self._ttl.total_seconds()
        good_until = loop.time() + ttl_s
        while True:
            await asyncio.sleep(ttl_s / 3)
            began = loop.time()
            try:
                async with self._db.transaction() as tx:
                    self.is_lost = await queries.extend_locks(tx, self._holder, ttl_s=ttl_s) < self._count
                good_until = began + ttl_s
            except DATABASE_AWAY as error:
                log.warning("lock.not_extended", holder=self._holder, error=repr(error))
                self.is_lost = loop.time() > good_until
            if self.is_lost:
                log.error("lock.lost", holder=self._holder)
                if owner is not None:
                    owner.cancel()
                return
