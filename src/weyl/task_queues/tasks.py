"""Background work on the task queues: empty classes are marked, and journals are folded."""

from datetime import timedelta

from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task
from weyl.task_queues import service
from weyl.task_queues.queries import classes as queries

DEACTIVATE = Task("task_queues.deactivate", every=timedelta(seconds=60), lock="task_queues.deactivate")
FOLD_LIMITS = Task("task_queues.fold_limits", every=timedelta(seconds=60), lock="task_queues.fold_limits")
FOLD_COUNTS = Task("task_queues.fold_counts", every=timedelta(seconds=10), lock="task_queues.fold_counts")


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def deactivate(_: object) -> None:
        async with db.transaction() as tx:
            await service.deactivate_drained(tx)

    async def fold(_: object) -> None:
        async with db.transaction() as tx:
            await queries.fold_counts(tx)

    async def fold_limits(_: object) -> None:
        async with db.transaction() as tx:
            await service.fold_limits(tx)

    return [
        DEACTIVATE.bind(deactivate),
        FOLD_COUNTS.bind(fold, is_needed=queries.has_journal),
        FOLD_LIMITS.bind(fold_limits),
    ]
