"""The queue of waiting jobs made anew, when it is not what the jobs say."""

from weyl.jobs.queries import waiting as queries
from weyl.kit.db import Tx
from weyl.task_queues.permits import QueueKeeper
from weyl.task_queues.service import announce


async def rebuild(tx: Tx, keeper: QueueKeeper) -> dict[int, int]:
    """Make the queue and its counts anew from the jobs that wait; matching pauses meanwhile."""
    waiting = await queries.refill_queue(tx)
    await announce(tx, waiting)
    return waiting
