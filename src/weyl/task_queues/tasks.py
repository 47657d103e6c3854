"""Background work on the task queues: empty classes are marked, the journal of counts is folded."""

from datetime import timedelta

from weyl.kit.db import Database
from weyl.task_queues import queries, service
from weyl.tasks.models import BoundTask, Task

DEACTIVATE = Task("task_queues.deactivate", every=timedelta(seconds=60), lock="task_queues.deactivate")
FOLD_COUNTS = Task("task_queues.fold_counts", every=timedelta(seconds=10), lock="task_queues.fold_counts")


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def deactivate(_: object) -> None:
        async with db.transaction() as tx:
            await service.deactivate_drained(tx)

    async def fold(_: object) -> None:
        async with db.transaction() as tx:
            await queries.fold_counts(tx)

    return [DEACTIVATE.bind(deactivate), FOLD_COUNTS.bind(fold, is_needed=queries.has_journal)]
