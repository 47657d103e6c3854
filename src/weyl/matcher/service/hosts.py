"""What one process knows of hosts on which jobs have failed: read anew on a notice, and every few seconds anyway."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from weyl.kit.background import end_task
from weyl.kit.db import Database, Listener
from weyl.matcher import queries
from weyl.task_queues.health import CHANNEL, Health, Standing, standing_of

log = structlog.get_logger(__name__)

# Notices come at once; this is for those that got lost.
LOOK_EVERY_S = 15.0
START_PATIENCE_S = 5.0


class Hosts:
    """The hosts that may not get all that they ask for; they recover here, too, as time passes."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime]) -> None:
        self._db = db
        self._clock = clock
        self._known: dict[tuple[str, str], Health] = {}
        self._wake = asyncio.Event()
        self._listener = Listener(db, {CHANNEL: lambda _: self._wake.set()}, on_reconnect=self._wake.set)
        self._task: asyncio.Task[None] | None = None

    def standing(self, site: str, host: str) -> Standing:
        """Return what a host may get now."""
        health = self._known.get((site, host))
        return Standing.OPEN if health is None else standing_of(health.now(self._clock()))

    def count_unhealthy(self, site: str) -> int:
        """Return how many hosts of a site get one job at a time, or none."""
        return sum(self.standing(*key) is not Standing.OPEN for key in self._known if key[0] == site)

    async def may_start(self, site: str, host: str) -> bool:
        """Tell whether a host that gets one job at a time has none."""
        async with self._db.read() as tx:
            return await queries.count_on_host(tx, site, host) == 0

    async def refresh(self) -> None:
        """Read now which hosts are unhealthy."""
        async with self._db.read() as tx:
            self._known = await queries.select_unhealthy(tx)

    async def start(self) -> None:
        """Listen first, then look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_PATIENCE_S):
                await self._listener.start()
        await self._look()
        self._task = asyncio.create_task(self._run(), name="weyl-matcher-hosts")

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()
        if self._task is not None:
            await end_task(self._task)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            await self._look()

    async def _look(self) -> None:
        try:
            await self.refresh()
        except Exception:  # it goes on with what it knows while the database is away
            log.exception("matcher.hosts_not_read")
