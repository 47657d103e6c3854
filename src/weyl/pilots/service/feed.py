"""Tells which pilots have changed, by the time of their last update."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from weyl.kit.changes import Change, News, Reach
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.http import User
from weyl.pilots.policy import may_read
from weyl.pilots.queries.news import select_changed

PILOTS_MAX = 20_000
# A change carries the time at which its transaction began, and is seen when that ends.
OVERLAP = timedelta(seconds=60)


class PilotFeed:
    """Follows the registry of pilots."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[str, datetime] = {}
        self._latest = datetime.fromtimestamp(0, UTC)

    def reach(self, user: User) -> Reach:
        """Let everybody know of the pilots that they find by a search."""
        return Reach(may_read(user).vo)

    async def start(self) -> int:
        """Begin with what is there now."""
        self._latest, self._seen = self._clock(), {}
        await self.read()
        return _position(self._latest)

    async def read(self) -> News:
        """Return the pilots that were updated since the last look."""
        since = self._latest - OVERLAP
        async with self._db.read() as tx:
            rows = await select_changed(tx, since, limit=PILOTS_MAX)
        if len(rows) >= PILOTS_MAX:
            self._latest, self._seen = self._clock(), {}
            return News((), _position(self._latest), is_whole=False)
        news = [row for row in rows if self._seen.get(row.pilot_stamp) != row.last_update_time]
        self._latest = max([self._latest, *(row.last_update_time for row in rows)])
        kept = {stamp: at for stamp, at in self._seen.items() if at > self._latest - OVERLAP}
        self._seen = kept | {row.pilot_stamp: row.last_update_time for row in rows}
        changes = [Change(row.pilot_stamp, row.vo, None, row.status) for row in news]
        return News(changes, _position(self._latest))


def _position(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
