"""Tells which jobs and task queues have changed: one statement a look, whatever the number of those who look on."""

import time
from collections.abc import Callable, Sequence

from weyl.config.service import ConfigStore
from weyl.jobs.arrivals import Gap, follow
from weyl.jobs.policy import may_search
from weyl.jobs.queries.arrivals import Arrived, select_arrived, select_history_end
from weyl.kit.changes import Change, News, Reach
from weyl.kit.db import Database
from weyl.kit.http import User
from weyl.task_queues.policy import may_see

RECORDS_MAX = 20_000
"""Of one look; when there are more, those who look on are told that much has changed, and read anew."""

# Transactions that were under way at the start took their numbers lately.
LOOK_BACK = 1_000


class JobFeed:
    """Follows the histories of all jobs."""

    def __init__(self, db: Database, config: ConfigStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._config = config
        self._clock = clock
        self._position = 0
        self._gaps: list[Gap] = []

    def reach(self, user: User) -> Reach:
        """Let everybody know of the jobs that they find by a search."""
        operations = self._config.current().config.operations.get(user.vo)
        is_open = operations is None or operations.services.job_monitoring.global_jobs_info
        scope = may_search(user, global_jobs_info=is_open)
        return Reach(scope.vo, scope.owner)

    async def start(self) -> int:
        """Begin behind what is written already; what is being written counts as missing."""
        async with self._db.read() as tx:
            end = await select_history_end(tx)
            start = max(0, end - LOOK_BACK)
            there = await select_arrived(tx, start, gaps=(), limit=LOOK_BACK * 2)
        arrived = [row.history_id for row in there]
        self._position, self._gaps = follow(start, (), [*arrived, end] if end else arrived, now_s=self._clock())
        if end and end not in arrived:
            self._gaps.append(Gap(end, end, self._clock()))
        return self._position

    async def read(self) -> News:
        """Return the jobs of which something was written down since the last look."""
        gaps = [(gap.low, gap.high) for gap in self._gaps]
        async with self._db.read() as tx:
            rows = await select_arrived(tx, self._position, gaps=gaps, limit=RECORDS_MAX)
            if len(rows) >= RECORDS_MAX:
                self._position, self._gaps = await select_history_end(tx), []
                return News((), self._position, is_whole=False)
        numbers = [row.history_id for row in rows]
        self._position, self._gaps = follow(self._position, self._gaps, numbers, now_s=self._clock())
        return News(self._changes([row for row in rows if row.vo is not None]), self._position)

    def _changes(self, rows: Sequence[Arrived]) -> list[Change]:
        found = {row.job_id: row for row in rows}
        return [Change(job_id, row.vo, row.owner, row.status or "") for job_id, row in found.items()]


class QueueFeed(JobFeed):
    """Follows the same, and tells of task queues: for those who may see them, but perhaps no job."""

    def reach(self, user: User) -> Reach:
        """Let those know who may look at the task queues."""
        return Reach(may_see(user).vo)

    def _changes(self, rows: Sequence[Arrived]) -> list[Change]:
        found = {class_id: row.vo for row in rows for class_id in row.class_ids or ()}
        return [Change(class_id, vo, None, "") for class_id, vo in found.items()]
