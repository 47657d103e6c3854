"""What every server process knows of single pilots without asking: who was revoked, and who is to take no more jobs.

Tokens are verified and matches answered without a look into the database, yet both must end within seconds.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import structlog

from weyl.kit.background import end_task
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Listener, is_behind, is_unavailable
from weyl.kit.http import User, Verifier
from weyl.pilots.errors import RevokedPilot
from weyl.pilots.queries.draining import select_draining
from weyl.pilots.queries.registry import select_revoked_stamps
from weyl.pilots.service.draining import CHANNEL

log = structlog.get_logger(__name__)

# Notices come at once; this is for those that got lost.
LOOK_EVERY_S = 15.0
START_PATIENCE_S = 5.0


class RevocationGuard:
    """Verifies tokens as `inner` does, and refuses those of pilots that were revoked, and of their payloads.

    It keeps the stamps of pilots that were revoked during the life of a token, and of those that drain, read anew when
    a notice says so; when the database cannot be reached it goes on with what it knows.
    """

    def __init__(self, inner: Verifier, db: Database, *, token_lifetime: timedelta) -> None:
        self._inner = inner
        self._db = db
        self._remembered_for = token_lifetime + timedelta(minutes=1)
        self._stamps: set[str] = set()
        self._draining: set[str] = set()
        self._wake = asyncio.Event()
        self._listener = Listener(db, {CHANNEL: lambda _: self._wake.set()}, on_reconnect=self._wake.set)
        self._task: asyncio.Task[None] | None = None

    def verify(self, token: str) -> User:
        """Return whoever the token speaks for."""
        user = self._inner.verify(token)
        if user.pilot_stamp is not None and user.pilot_stamp in self._stamps:
            raise RevokedPilot("This pilot was revoked")
        return user

    def advice(self, stamp: str) -> Literal["continue", "drain"]:
        """Return what a pilot that asks for jobs is told."""
        return "drain" if stamp in self._draining else "continue"

    async def refresh(self) -> None:
        """Read now who was revoked and who drains."""
        try:
            async with self._db.read() as tx:
                self._stamps = await select_revoked_stamps(tx, since=utcnow() - self._remembered_for)
                self._draining = await select_draining(tx)
        except Exception as error:
            if not (is_unavailable(error) or is_behind(error)):
                raise
            log.warning("revocations.not_read", error=repr(error))

    async def __aenter__(self) -> "RevocationGuard":
        with suppress(TimeoutError):
            async with asyncio.timeout(START_PATIENCE_S):
                await self._listener.start()
        self._wake.clear()  # what begins to listen says so, and we look now anyway
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name="weyl-revocations")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.stop()
        if self._task is not None:
            await end_task(self._task)

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            self._wake.clear()
            await self.refresh()
