"""Background work on resource status: what ended long ago is forgotten."""

from datetime import timedelta

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task
from weyl.resource_status import queries

FORGET = Task("resource_status.forget", every=timedelta(days=1), lock="resource_status.forget")
EXPIRED_KEPT = timedelta(days=7)
HISTORY_KEPT = timedelta(days=3 * 365)


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def forget(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await queries.delete_expired(tx, now - EXPIRED_KEPT)
            await queries.delete_history(tx, now - HISTORY_KEPT)

    return [FORGET.bind(forget)]
