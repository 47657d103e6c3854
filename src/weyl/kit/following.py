"""Copies in this process that follow the database, or another source: how they start, keep up, recover and stop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from weyl.kit.background import end_task
from weyl.kit.db import Database, Listener, is_behind, is_unavailable
from weyl.kit.errors import Unavailable
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

PATIENCE_S = 5.0
"""How long a process that starts waits for a database that does not answer; it catches up later."""
RETRY_FIRST_S = 0.2
RETRY_MAX_S = 5.0
CATCH_UP_S = 2.0
FAILING_LONG_S = 30.0
"""Health warns about a copy that has not been read for so long."""


class Follower:
    """Calls `read`, which takes in everything that is committed, on a notice, every few seconds, and after each error.

    One read is under way at a time. `every_s` is the net below notices that got lost, and may change from read to read;
    without it only `wake` leads to a read. A notice on `channel` is handed to `hear` at once; by default it wakes.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Awaitable[None]],
        *,
        every_s: float | Callable[[], float | None] | None,
        db: Database | None = None,
        channel: str = "",
        hear: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.error = ""
        """What the last read failed with; nothing if it did not."""
        self._read = read
        self._every_s = every_s
        self._failing_since: float | None = None
        self._wake = asyncio.Event()
        self._tried = asyncio.Event()
        self._progress = asyncio.Condition()
        self._begun = self._taken_in = 0
        self._is_stopped = False
        self._task: asyncio.Task[None] | None = None
        if (db is None) != (not channel):
            raise ValueError(f"The follower {name} needs both a database and a channel to hear of notices")
        self.db, self.channel, self.hear = db, channel, hear or (lambda _: self.wake())
        """Where notices come from, and what takes them."""

    @property
    def is_started(self) -> bool:
        """Whether somebody has started it."""
        return self._task is not None

    @property
    def failing_s(self) -> float:
        """For how long no read has succeeded; 0 if the last one did."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def wake(self) -> None:
        """Read now, or once more if a read is under way."""
        self._wake.set()

    async def seen(self) -> None:
        """Return once everything that was committed before this call has been taken in."""
        wanted = self._begun + 1
        self.wake()
        async with self._progress:
            await self._progress.wait_for(lambda: self._taken_in >= wanted or self._is_stopped)
        if self._taken_in < wanted:
            raise Unavailable(f"This process no longer updates its copy: {self.name}")

    async def catch_up(self) -> None:
        """Return once what was committed before has been taken in, and after two seconds in any case.

        For who has changed something and answers: what is asked next shows it.
        """
        if self.is_started:
            with suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(CATCH_UP_S):
                    await self.seen()

    async def start(self, *, patience_s: float = PATIENCE_S, listener: Listener | None = None) -> None:
        """Begin to follow: wait until `listener`, which the caller has begun, listens, then read.

        Returns after the first read, whether or not it succeeded; where the database does not answer, after some
        seconds. One that answers is waited for, since a large copy takes its time.
        """
        self._task = asyncio.create_task(self._run(listener), name=f"weyl-{self.name.replace(' ', '-')}")
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s) as patience:
                if listener is not None:
                    await listener.tried.wait()
                    if listener.listening.is_set():
                        patience.reschedule(None)
                await self._tried.wait()

    async def stop(self) -> None:
        """Follow no more; a read that is under way is given up."""
        if self._task is not None:
            await end_task(self._task)
        async with self._progress:
            self._is_stopped = True
            self._progress.notify_all()

    async def _run(self, listener: Listener | None) -> None:
        if listener is not None:
            await listener.tried.wait()
        retry_s = RETRY_FIRST_S
        while True:
            self._wake.clear()
            has_read = await self._try()
            self._tried.set()
            if has_read:
                retry_s = RETRY_FIRST_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._pause_s())
            else:
                # A notice does not cut this short: a read that fails would be repeated as often as others write.
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MAX_S)

    async def _try(self) -> bool:
        self._begun += 1
        try:
            await self._read()
        except Exception as error:  # the outermost loop: whatever happens, the next change must be learnt of
            if self._failing_since is None:
                self._failing_since = time.monotonic()
            self.error = type(error).__name__
            is_expected = is_unavailable(error) or is_behind(error)
            log.warning("follower.failed", follower=self.name, error=repr(error), exc_info=not is_expected)
            return False
        if self.error:
            log.info("follower.recovered", follower=self.name, after_s=round(self.failing_s, 1))
        self.error, self._failing_since = "", None
        async with self._progress:
            self._taken_in = self._begun
            self._progress.notify_all()
        return True

    def _pause_s(self) -> float | None:
        return self._every_s() if callable(self._every_s) else self._every_s


FOLLOWERS: Key[list[Follower]] = Key("the followers")
"""Copies that this process keeps: rooms and extensions add theirs while they open, and the wiring starts them."""


@asynccontextmanager
async def following(*followers: Follower, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Follow for the length of the block, with one connection that listens for all.

    All start at once, so that together they wait no longer than one.
    """
    hearing: dict[Database, list[Follower]] = {}
    for follower in followers:
        if follower.db is not None:
            hearing.setdefault(follower.db, []).append(follower)
    listeners = {db: _listener(db, of_db) for db, of_db in hearing.items()}
    try:
        for listener in listeners.values():
            listener.begin()
        await asyncio.gather(
            *(
                follower.start(patience_s=patience_s, listener=listeners[follower.db] if follower.db else None)
                for follower in followers
            )
        )
        yield
    finally:
        await asyncio.gather(
            *(listener.stop() for listener in listeners.values()), *(each.stop() for each in followers)
        )


def _listener(db: Database, followers: Sequence[Follower]) -> Listener:
    """Return what listens for followers; each hears the notices on its own channel."""
    channels: dict[str, list[Callable[[str], None]]] = {}
    for follower in followers:
        channels.setdefault(follower.channel, []).append(follower.hear)

    def wake_all() -> None:
        for follower in followers:
            follower.wake()

    return Listener(db, channels, on_reconnect=wake_all)


def judge_followers(followers: Sequence[Follower], *, after_s: float = FAILING_LONG_S) -> list[str]:
    """Return a warning for each copy that could not be read for long."""
    return [
        f"{follower.name}: not read for {follower.failing_s:.0f} s ({follower.error}); the log of this process says why"
        for follower in followers
        if follower.error and follower.failing_s >= after_s
    ]
