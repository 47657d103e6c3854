"""Makes a revoked pilot's access token worthless within seconds, though tokens are verified without the database."""

import asyncio
from datetime import timedelta

import structlog

from weyl.kit.background import end_task
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, is_unavailable
from weyl.kit.http import User, Verifier
from weyl.pilots.errors import RevokedPilot
from weyl.pilots.queries.registry import select_revoked_stamps

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0


class RevocationGuard:
    """Verifies tokens as `inner` does, and refuses those of pilots that were revoked, and of their payloads.

    It keeps the stamps of pilots that were revoked during the life of a token, read anew every few seconds; when the
    database cannot be reached it goes on with what it knows.
    """

    def __init__(self, inner: Verifier, db: Database, *, token_lifetime: timedelta) -> None:
        self._inner = inner
        self._db = db
        self._remembered_for = token_lifetime + timedelta(minutes=1)
        self._stamps: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def verify(self, token: str) -> User:
        """Return whoever the token speaks for."""
        user = self._inner.verify(token)
        if user.pilot_stamp is not None and user.pilot_stamp in self._stamps:
            raise RevokedPilot("This pilot was revoked")
        return user

    async def refresh(self) -> None:
        """Read the revoked pilots now."""
        try:
            async with self._db.read() as tx:
                self._stamps = await select_revoked_stamps(tx, since=utcnow() - self._remembered_for)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("revocations.not_read", error=repr(error))

    async def __aenter__(self) -> "RevocationGuard":
        await self.refresh()
        self._task = asyncio.create_task(self._watch(), name="weyl-revocations")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await end_task(self._task)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.refresh()
