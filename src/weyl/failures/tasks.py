"""Background work on failures that are alike: they are folded into hours and days, and forgotten when they are old."""

from datetime import timedelta

from weyl.failures import queries
from weyl.failures.service import KEPT_DAYS
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task

# The name is older than this room: operators switch the task off by it.
FOLD_FAILURES = Task("jobs.fold_failures", every=timedelta(seconds=10), lock="jobs.fold_failures")
HOUSEKEEPING = Task("failures.housekeeping", every=timedelta(hours=1), lock="failures.housekeeping")


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def fold_failures(_: object) -> None:
        async with db.transaction() as tx:
            await queries.fold_failures(tx)

    async def keep_house(_: object) -> None:
        async with db.transaction() as tx:
            await queries.delete_failures(tx, before=utcnow() - timedelta(days=KEPT_DAYS * 2))

    return [
        FOLD_FAILURES.bind(fold_failures, is_needed=queries.has_failures),
        HOUSEKEEPING.bind(keep_house),
    ]
