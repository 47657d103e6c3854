"""What every server process knows of single pilots without asking: who was revoked, and who is to take no more jobs.

Tokens are verified and matches answered without a look into the database, yet both must end within seconds.
"""

from datetime import timedelta
from typing import Literal

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.kit.http import User, Verifier
from weyl.pilots.errors import RevokedPilot
from weyl.pilots.queries.draining import select_draining
from weyl.pilots.queries.registry import select_revoked_stamps
from weyl.pilots.service.draining import CHANNEL

# Notices come at once; this is for those that got lost.
LOOK_EVERY_S = 15.0


class RevocationGuard:
    """Verifies tokens as `inner` does, and refuses those of pilots that were revoked, and of their payloads.

    It keeps the stamps of pilots that were revoked during the life of a token, and of those that drain; while they
    cannot be read it goes on with what it knows.
    """

    def __init__(self, inner: Verifier, db: Database, *, token_lifetime: timedelta) -> None:
        self.follower = Follower("revocations", self._read, every_s=LOOK_EVERY_S, db=db, channel=CHANNEL)
        self._inner = inner
        self._db = db
        self._remembered_for = token_lifetime + timedelta(minutes=1)
        self._stamps: set[str] = set()
        self._draining: set[str] = set()

    def verify(self, token: str) -> User:
        """Return whoever the token speaks for."""
        user = self._inner.verify(token)
        if user.pilot_stamp is not None and user.pilot_stamp in self._stamps:
            raise RevokedPilot("This pilot was revoked")
        return user

    def advice(self, stamp: str) -> Literal["continue", "drain"]:
        """Return what a pilot that asks for jobs is told."""
        return "drain" if stamp in self._draining else "continue"

    async def _read(self) -> None:
        async with self._db.read() as tx:
            self._stamps = await select_revoked_stamps(tx, since=utcnow() - self._remembered_for)
            self._draining = await select_draining(tx)
