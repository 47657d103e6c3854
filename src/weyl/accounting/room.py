"""What the room of accounting hands in."""

from collections.abc import Sequence

from weyl.accounting.routes import router
from weyl.accounting.tasks import tasks
from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask
from weyl.settings import SETTINGS


def _tasks(services: Services) -> Sequence[BoundTask]:
    return tasks(services[DATABASE], record_months=services[SETTINGS].accounting_months)


ROOM = Room(routers=[router], tasks=[_tasks])
