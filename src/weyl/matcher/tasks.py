"""Background work of the matcher: forgets what nobody will ask for again, and gives up what waits for too long."""

from datetime import timedelta

from weyl.config.service import ConfigStore
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task
from weyl.matcher.queries.claims import delete_requests
from weyl.matcher.queries.offers import delete_offers, delete_questions
from weyl.matcher.service.expiry import expire
from weyl.matcher.service.matcher import REQUEST_KEPT_FOR

FORGET = Task("matcher.forget", every=timedelta(minutes=1), lock="matcher.forget")
FORGET_PILOTS = Task("matcher.forget_pilots", every=timedelta(hours=1), lock="matcher.forget_pilots")
EXPIRE = Task("matcher.expire", every=timedelta(minutes=5), lock="matcher.expire")
OFFER_KEPT_FOR = timedelta(days=7)


def tasks(db: Database, config: ConfigStore) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def forget(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await delete_requests(tx, now - REQUEST_KEPT_FOR)
            await delete_offers(tx, now - OFFER_KEPT_FOR)

    async def forget_pilots(_: object) -> None:
        async with db.transaction() as tx:
            await delete_questions(tx, utcnow() - OFFER_KEPT_FOR)

    async def give_up(_: object) -> None:
        await expire(db, config.current().config, utcnow())

    return [FORGET.bind(forget), FORGET_PILOTS.bind(forget_pilots), EXPIRE.bind(give_up)]
