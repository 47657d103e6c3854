"""What the room of sandboxes hands in."""

from collections.abc import Sequence

from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.kit.s3 import STORE
from weyl.kit.services import Services
from weyl.kit.task import BoundTask
from weyl.sandboxes.routes import router
from weyl.sandboxes.service import ON_BROKEN
from weyl.sandboxes.tasks import tasks
from weyl.settings import SETTINGS


def _tasks(services: Services) -> Sequence[BoundTask]:
    return tasks(
        services[DATABASE],
        services[STORE],
        unassigned_days=services[SETTINGS].sandbox_unassigned_days,
        on_broken=services.later(ON_BROKEN),
    )


ROOM = Room(routers=[router], tasks=[_tasks])
