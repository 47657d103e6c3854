"""Background work of the task engine itself: forgets what was done long ago."""

from datetime import timedelta

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.tasks.models import BoundTask, Task
from weyl.tasks.queries import locks, outcomes

HOUSEKEEPING = Task("tasks.housekeeping", every=timedelta(hours=1), lock="tasks.housekeeping")

LOG_KEPT = timedelta(days=1)
LETTERS_KEPT = timedelta(days=90)


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def keep_house(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await locks.delete_left_over(tx)
            await outcomes.delete_old(tx, log_before=now - LOG_KEPT, letters_before=now - LETTERS_KEPT)

    return [HOUSEKEEPING.bind(keep_house)]
