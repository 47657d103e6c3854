"""Background work of the extension."""

from datetime import timedelta

from example_vo import queries
from example_vo.section import ExampleVO
from weyl.config.service import CONFIG
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE
from weyl.kit.services import Services
from weyl.kit.task import BoundTask, Task

FORGET_NOTES = Task("example_vo.forget_notes", every=timedelta(hours=1), lock="example_vo.forget_notes")


def tasks(services: Services) -> list[BoundTask]:
    """Return the tasks, bound to what a worker holds."""

    async def forget_notes(_: object) -> None:
        kept = timedelta(days=services[CONFIG].current().config.section(ExampleVO).kept_days)
        async with services[DATABASE].transaction() as tx:
            await queries.delete_notes(tx, before=utcnow() - kept)

    return [FORGET_NOTES.bind(forget_notes)]
