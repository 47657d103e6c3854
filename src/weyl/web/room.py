"""What the room of the web pages hands in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from weyl.extension import EXTENSION
from weyl.kit.following import FOLLOWERS
from weyl.kit.room import FEEDS, VIEWS, Room
from weyl.kit.services import BEFORE_STOP, Services
from weyl.settings import SETTINGS
from weyl.web.routes import docs, events, ui
from weyl.web.service.assets import Assets
from weyl.web.service.hub import HUB, Hub
from weyl.web.service.shelf import VIEW_SHELF, ViewShelf
from weyl.web.service.site import SITE, Site


@asynccontextmanager
async def _serving(services: Services) -> AsyncIterator[None]:
    settings = services[SETTINGS]
    services.hold(VIEW_SHELF, ViewShelf(services[VIEWS], version("weyl")))
    services.hold(SITE, Site(Assets.installed(services[EXTENSION].assets), settings))
    feeds = {topic: make(services) for topic, make in services[FEEDS].items()}
    async with Hub(feeds, every_s=settings.events_every_s, streams_max=settings.event_streams_max) as hub:
        services.hold(HUB, hub)
        services[FOLLOWERS].extend(hub.followers)
        services[BEFORE_STOP].append(hub.close)
        yield


ROOM = Room(routers=[ui.router, docs.router, events.router], serving=[_serving])
