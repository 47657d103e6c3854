"""Wires a process: what it holds, and for servers the routers and the order in which things start and stop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from weyl.activation import routers_of
from weyl.auth.keys import KEYS, KeySet
from weyl.builtin import active_extensions
from weyl.config.models import with_sections
from weyl.config.service import CONFIG, ConfigStore
from weyl.extension import EXTENSION, Extension
from weyl.kit import faults, health, openapi, points
from weyl.kit.body_limits import BodyLimits
from weyl.kit.db import DATABASE, Database
from weyl.kit.following import FOLLOWERS, following
from weyl.kit.http import PUBLIC_URL
from weyl.kit.metrics import METRICS, METRICS_PORT, Metrics
from weyl.kit.middleware import RequestGuard
from weyl.kit.request_watch import RequestWatch, Traces
from weyl.kit.route_index import DirectAnswers, RouteIndex
from weyl.kit.s3 import STORE, ObjectStore
from weyl.kit.searching import SEARCHES, SearchDesk
from weyl.kit.services import BEFORE_STOP, Services
from weyl.kit.timekeeping import keeping_time
from weyl.observing import health_checks, observed, open_traces
from weyl.settings import SETTINGS, Settings
from weyl.web.routes.pages import SiteRoute


@asynccontextmanager
async def open_services(
    settings: Settings, extension: Extension, *, metrics: Metrics | None = None, is_server: bool = False
) -> AsyncIterator[Services]:
    """Open what a process holds, of the lowest room first, and start what follows the database."""
    services = Services()
    async with AsyncExitStack() as stack:
        await _open_ground(services, settings, extension, stack)
        services.hold(METRICS, metrics or Metrics())
        for opening in (*extension.state, *(extension.serving if is_server else ())):
            services.opener = opening.__module__
            block = opening(services)
            if block is not None:
                await stack.enter_async_context(block)
        await stack.enter_async_context(following(*(each for each in services[FOLLOWERS] if not each.is_started)))
        yield services


async def _open_ground(services: Services, settings: Settings, extension: Extension, stack: AsyncExitStack) -> None:
    """Open what rooms stand on: database, clock, configuration, keys and object store, and what extensions add."""
    db = Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        statement_timeout_s=settings.database_statement_timeout_s,
    )
    stack.push_async_callback(db.close)
    clock = await stack.enter_async_context(keeping_time(db))
    config = ConfigStore(
        settings.config_url,
        check_every_s=settings.config_check_every_s,
        model=with_sections(extension.sections, extension.payload_commands, extension.storage),
    )
    await config.start()
    stack.push_async_callback(config.stop)
    services.hold(SETTINGS, settings)
    services.hold(PUBLIC_URL, settings.public_url)
    services.hold(DATABASE, db)
    services.hold(SEARCHES, SearchDesk(db, timeout_s=settings.search_timeout_s, scans_max=settings.search_scans_max))
    services.hold(CONFIG, config)
    services.hold(KEYS, KeySet(settings.keys.get_secret_value(), issuer=settings.issuer))
    services.hold(STORE, await stack.enter_async_context(ObjectStore.from_settings(settings)))
    services.hold(FOLLOWERS, [clock, config.follower])
    services.hold(BEFORE_STOP, [])
    services.hold(EXTENSION, extension)
    points.hold(services, extension)


def create_app(settings: Settings, extension: Extension | None = None) -> FastAPI:
    """Return the ASGI application of merged extensions; nothing is opened before its lifespan starts."""
    extension = active_extensions() if extension is None else extension
    metrics, traces = Metrics(), open_traces(settings, "weyl-server")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, extension, metrics=metrics, is_server=True) as services:
            services.hold(health.CHECKS, health_checks(services))
            app.state.services = services
            async with observed(services, traces, "weyl-server") as port:
                services.hold(METRICS_PORT, port)
                yield

    app = FastAPI(
        title="Dirac",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        # The pages show it themselves: FastAPI's own page takes its scripts from a public network.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Requests are watched by RequestWatch; FastAPI would look for providers of its own at each.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
    )
    routers = routers_of(extension)
    _add_routes(app, routers)
    faults.install(app)
    limits = BodyLimits(route for router in routers for route in router.routes)
    openapi.install(
        app, body_bytes_max=lambda method, path: min(limits.declared(method, path), settings.body_bytes_max)
    )
    _add_middleware(app, settings, limits=limits, metrics=metrics, traces=traces)
    return app


def _add_routes(app: FastAPI, routers: list[APIRouter]) -> None:
    # Not included: FastAPI would rebuild every route for each application, 0.4 ms per route, at the first request.
    app.router.routes.extend(route for router in (health.router, *routers) for route in router.routes)
    index = RouteIndex(routers)
    app.router.routes.insert(0, index)
    app.router.routes.append(SiteRoute())
    app.add_middleware(DirectAnswers, index=index)


def _add_middleware(
    app: FastAPI, settings: Settings, *, limits: BodyLimits, metrics: Metrics, traces: Traces | None
) -> None:
    app.add_middleware(
        RequestGuard,
        client_version_min=settings.client_version_min,
        body_bytes_max=settings.body_bytes_max,
        limits=limits,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            # No cookies: what a page elsewhere may do, it does with a token.
            allow_credentials=False,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Content-Range", "ETag", "Last-Modified"],
        )
    # The last one added is the outermost: it sees the answers of all others.
    app.add_middleware(RequestWatch, metrics=metrics, traces=traces, is_logged=settings.log_requests)
