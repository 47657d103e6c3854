"""Tells how far operations have come to those who ordered them: those under way, and those that have just ended."""

from collections.abc import Callable
from datetime import datetime, timedelta

from weyl.kit.changes import Change, News, Reach
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.http import User
from weyl.tasks.policy import may_view_operations
from weyl.tasks.queries.operations import select_moving

# An end is written with the time at which its batch began, and is seen when that is over.
OVERLAP = timedelta(minutes=5)


class OperationFeed:
    """Follows the operations that move."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[str, tuple[str, int]] = {}
        self._position = 0

    def reach(self, user: User) -> Reach:
        """Let everybody know of their own; who administers those of others reads them anew."""
        viewer = may_view_operations(user)
        return Reach(viewer.vo, viewer.subject)

    async def start(self) -> int:
        """Begin with how far they are now."""
        await self.read()
        return self._position

    async def read(self) -> News:
        """Return the operations that have come further, or to an end, since the last look."""
        now = self._clock()
        async with self._db.read() as tx:
            rows = await select_moving(tx, ended_after=now - OVERLAP)
        found = {row.operation_id: (row.state, row.behind) for row in rows}
        changes = [
            Change(row.operation_id, row.vo, row.subject, row.state)
            for row in rows
            if self._seen.get(row.operation_id) != found[row.operation_id]
        ]
        self._seen = found
        self._position = max(self._position, round(now.timestamp() * 1_000_000))
        return News(changes, self._position)
