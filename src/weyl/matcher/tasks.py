"""Background work of the matcher: forgets what nobody will ask for again."""

from datetime import timedelta

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher import queries
from weyl.matcher.service.matcher import REQUEST_KEPT_FOR
from weyl.tasks.models import BoundTask, Task

FORGET = Task("matcher.forget", every=timedelta(minutes=1), lock="matcher.forget")
OFFER_KEPT_FOR = timedelta(days=7)


def tasks(db: Database) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def forget(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await queries.delete_requests(tx, now - REQUEST_KEPT_FOR)
            await queries.delete_offers(tx, now - OFFER_KEPT_FOR)

    return [FORGET.bind(forget)]
