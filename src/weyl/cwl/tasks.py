"""Background work on workflows: those that nobody uses are removed."""

from weyl.cwl.service import cleaning
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask


def tasks(db: Database) -> list[BoundTask]:
    """Return the room's tasks."""

    async def clean(_: None) -> None:
        await cleaning.clean(db, now=utcnow())

    return [cleaning.CLEAN.bind(clean)]
