"""What the room of storage elements hands in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from weyl.config.service import CONFIG
from weyl.file_catalog.additions import PLACES_OF_UPLOADS
from weyl.kit.db import DATABASE
from weyl.kit.metrics import METRICS
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask
from weyl.resource_status.service.board import STATUS_BOARD
from weyl.settings import SETTINGS
from weyl.storage import tables  # noqa: F401 - declared with the room, though its queries are texts
from weyl.storage.additions import JOB_UPLOADS
from weyl.storage.drivers.driver import STORAGE_DRIVERS
from weyl.storage.drivers.http import open_session
from weyl.storage.drivers.issuers import ISSUING, Issuing
from weyl.storage.queries.intents import select_places
from weyl.storage.routes.elements import SPACES
from weyl.storage.routes.routers import ROUTERS
from weyl.storage.service.figures import figures
from weyl.storage.service.listing import Spaces
from weyl.storage.service.reach import STORAGES, Means, Storages
from weyl.storage.service.state import UPLOADS, Uploads
from weyl.storage.tasks import tasks
from weyl.storage.token_keys import TokenKeys
from weyl.storage.views import VIEWS


@asynccontextmanager
async def _state(services: Services) -> AsyncIterator[None]:
    settings, metrics, board = services[SETTINGS], services[METRICS], services[STATUS_BOARD]
    issued = metrics.counter("weyl_storage_tokens_issued", "Tokens for storage elements, by VO.", "vo")
    done = metrics.counter(
        "weyl_storage_operations", "Operations on storage elements, by what became of them.", "outcome"
    )
    issuing = Issuing(TokenKeys(settings.storage_keys), settings.public_url, issued)
    async with open_session() as session:
        means = Means(services[STORAGE_DRIVERS], session, issuing, settings.credentials_directory, done)
        storages = Storages(means, board.usable_storage)
        services.hold(ISSUING, issuing)
        services.hold(STORAGES, storages)
        services.hold(UPLOADS, Uploads(services[DATABASE], storages, lambda: services[JOB_UPLOADS]))
        services.hold(PLACES_OF_UPLOADS, select_places)
        services.hold(SPACES, Spaces(storages))
        yield


def _tasks(services: Services) -> Sequence[BoundTask]:
    return tasks(services[UPLOADS], services[CONFIG])


ROOM = Room(routers=ROUTERS, state=[_state], tasks=[_tasks], views=VIEWS, figures={"storage": figures})
