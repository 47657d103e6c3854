"""Background work of the task engine itself: forgets what was done long ago."""

from datetime import timedelta

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task
from weyl.tasks.operations import KEPT
from weyl.tasks.queries import locks, operations, outcomes

HOUSEKEEPING = Task("tasks.housekeeping", every=timedelta(hours=1), lock="tasks.housekeeping")

OPERATIONS = Task("tasks.failed_operations", every=timedelta(seconds=30), lock="tasks.failed_operations")

LOG_KEPT = timedelta(days=1)
LETTERS_KEPT = timedelta(days=90)


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def keep_house(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await locks.delete_left_over(tx)
            await outcomes.delete_old(tx, log_before=now - LOG_KEPT, letters_before=now - LETTERS_KEPT)
            await operations.delete_ended(tx, before=now - KEPT)

    async def end_failed_operations(_: object) -> None:
        async with db.transaction() as tx:
            await operations.fail_dead(tx, utcnow())

    return [
        HOUSEKEEPING.bind(keep_house),
        OPERATIONS.bind(end_failed_operations, is_needed=operations.has_dead),
    ]
