"""How many jobs wait in each class of the index, counted for those who explain."""

import asyncio
import time

from weyl.kit.db import Tx
from weyl.matcher.index import Index
from weyl.matcher.waiting import Waiting
from weyl.task_queues.queries import classes as task_queues

# Up to so many classes their jobs are counted for each question; of more the numbers are those of the last sweep.
COUNTED_MAX = 5_000
COUNTS_KEPT_S = 15.0


class Tallies:
    """Keeps the numbers of waiting jobs for some seconds where there are many classes."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._waiting = Waiting()
        self._counted_at = -COUNTS_KEPT_S

    async def counted(self, tx: Tx) -> Waiting:
        """Return the numbers of waiting jobs by class."""
        if len(self._index) <= COUNTED_MAX:
            counts = await task_queues.select_waiting(tx)
            return Waiting((entry.bit, counts.get(entry.class_id, 0)) for entry in self._index.entries())
        if time.monotonic() - self._counted_at >= COUNTS_KEPT_S:
            # Of classes that were heard of since the sweep it is only known that they have jobs.
            believed = [(entry.bit, entry.waiting or 1) for entry in self._index.entries()]
            self._counted_at = time.monotonic()
            self._waiting = await asyncio.to_thread(Waiting, believed)
        return self._waiting
