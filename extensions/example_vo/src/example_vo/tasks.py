"""Background work of the extension."""

from datetime import timedelta

from example_vo import queries
from example_vo.section import ExampleVO
from weyl.extension import Services
from weyl.kit.clock import utcnow
from weyl.tasks.models import BoundTask, Task

FORGET_NOTES = Task("example_vo.forget_notes", every=timedelta(hours=1), lock="example_vo.forget_notes")


def tasks(services: Services) -> list[BoundTask]:
    """Return the tasks, bound to a worker's services."""

    async def forget_notes(_: object) -> None:
        kept = timedelta(days=services.config.current().config.section(ExampleVO).kept_days)
        async with services.db.transaction() as tx:
            await queries.delete_notes(tx, before=utcnow() - kept)

    return [FORGET_NOTES.bind(forget_notes)]
