"""What the room of the file catalogue hands in."""

from collections.abc import Sequence

from weyl.config.service import CONFIG
from weyl.file_catalog.routes.bulk import router as bulk
from weyl.file_catalog.routes.directories import router as directories
from weyl.file_catalog.routes.fields import router as fields
from weyl.file_catalog.routes.files import router as files
from weyl.file_catalog.routes.metadata import router as metadata
from weyl.file_catalog.routes.pages import router as pages
from weyl.file_catalog.routes.search import router as search
from weyl.file_catalog.tasks import tasks
from weyl.file_catalog.views import VIEWS
from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask


def _tasks(services: Services) -> Sequence[BoundTask]:
    return tasks(services[DATABASE], services[CONFIG])


# The pages come last: their paths would match those of others.
ROOM = Room(
    routers=[files, directories, bulk, fields, metadata, search, pages],
    tasks=[_tasks],
    views=VIEWS,
)
