"""What the room of logins, tokens and browser sessions hands in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from weyl.auth.keys import KEYS
from weyl.auth.properties import BUILT_IN
from weyl.auth.routes.routers import ROUTERS
from weyl.auth.service.authority import AUTHORITY, open_authority
from weyl.auth.service.sessions import BROWSER_SESSIONS, Sessions
from weyl.auth.tasks import tasks
from weyl.auth.views import VIEWS
from weyl.config.service import CONFIG
from weyl.kit.db import DATABASE
from weyl.kit.http import SESSIONS
from weyl.kit.room import PROPERTIES, Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask
from weyl.settings import SETTINGS


@asynccontextmanager
async def _serving(services: Services) -> AsyncIterator[None]:
    settings, config, properties = services[SETTINGS], services[CONFIG], services[PROPERTIES]
    sessions = Sessions(services[DATABASE], config, settings)
    services.hold(SESSIONS, sessions)
    services.hold(BROWSER_SESSIONS, sessions)
    async with open_authority(settings, keys=services[KEYS], config=config, properties=properties) as authority:
        services.hold(AUTHORITY, authority)
        yield


def _tasks(services: Services) -> Sequence[BoundTask]:
    return tasks(services[DATABASE], session_idle_minutes=services[SETTINGS].session_idle_minutes)


ROOM = Room(routers=ROUTERS, properties=sorted(BUILT_IN), serving=[_serving], tasks=[_tasks], views=VIEWS)
