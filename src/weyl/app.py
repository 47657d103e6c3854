"""Wires the server: what a process holds, its routers, and the order in which things start and stop."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from weyl.activation import activate, claim, routers_of
from weyl.auth.keys import KeySet
from weyl.builtin import load_extensions
from weyl.config.service import ConfigStore
from weyl.extension import Extension, ExtensionConflict, Services
from weyl.jobs.additions import SubmissionRules
from weyl.kit import faults, health, openapi
from weyl.kit.body_limits import BodyLimits
from weyl.kit.db import Database
from weyl.kit.metrics import Metrics
from weyl.kit.middleware import RequestGuard
from weyl.kit.request_watch import RequestWatch, Traces
from weyl.kit.route_index import DirectAnswers, RouteIndex
from weyl.kit.s3 import ObjectStore
from weyl.kit.searching import SearchDesk
from weyl.kit.timekeeping import keeping_time
from weyl.observing import health_checks, observed, open_traces
from weyl.settings import Settings
from weyl.web.routes.pages import SiteRoute


@asynccontextmanager
async def open_services(
    settings: Settings, extensions: Sequence[Extension], metrics: Metrics | None = None
) -> AsyncIterator[Services]:
    """Open what server and worker processes both hold: database, configuration, keys and object store."""
    merged = activate(extensions)
    async with AsyncExitStack() as stack:
        db = Database(
            settings.database_url,
            pool_size=settings.database_pool_size,
            statement_timeout_s=settings.database_statement_timeout_s,
        )
        stack.push_async_callback(db.close)
        clock = await stack.enter_async_context(keeping_time(db))
        config = ConfigStore(settings.config_url, check_every_s=settings.config_check_every_s, model=merged.config)
        await config.start()
        stack.push_async_callback(config.stop)
        store = await stack.enter_async_context(ObjectStore.from_settings(settings))
        keys = KeySet(settings.keys.get_secret_value(), issuer=settings.issuer)
        yield Services(
            settings=settings,
            db=db,
            config=config,
            keys=keys,
            store=store,
            drivers=merged.drivers,
            properties=merged.properties,
            branches=merged.branches,
            references=merged.references,
            submission=SubmissionRules(settings.jobs_per_submission_max, merged.attributes, merged.checks),
            preparation=merged.preparation(),
            metrics=metrics or Metrics(),
            views=merged.views,
            followers=[clock, config.follower],
            assets=merged.assets,
        )


def create_app(settings: Settings, extensions: Sequence[Extension] | None = None) -> FastAPI:
    """Return the ASGI application; nothing is opened before its lifespan starts."""
    active = load_extensions() if extensions is None else extensions
    activate(active)
    metrics, traces = Metrics(), open_traces(settings, "weyl-server")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(open_services(settings, active, metrics))
            app.state.settings = settings
            app.state.db = services.db
            app.state.searches = SearchDesk(
                services.db, timeout_s=settings.search_timeout_s, scans_max=settings.search_scans_max
            )
            app.state.config = services.config
            app.state.keys = services.keys
            app.state.store = services.store
            app.state.drivers = services.drivers
            app.state.metrics = metrics
            app.state.followers = services.followers
            app.state.health_checks = health_checks(services)
            await _hold(app, active, services, stack)
            app.state.metrics_port = await stack.enter_async_context(observed(services, traces, "weyl-server"))
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
    app.include_router(health.router)
    routers = list(routers_of(active))
    for router in routers:
        app.include_router(router)
    index = RouteIndex(routers)
    app.router.routes.insert(0, index)
    app.router.routes.append(SiteRoute())
    faults.install(app)
    limits = BodyLimits(app.routes)
    openapi.install(
        app, body_bytes_max=lambda method, path: min(limits.declared(method, path), settings.body_bytes_max)
    )
    app.add_middleware(DirectAnswers, index=index)
    _add_middleware(app, settings, limits=limits, metrics=metrics, traces=traces)
    return app


async def _hold(app: FastAPI, extensions: Sequence[Extension], services: Services, stack: AsyncExitStack) -> None:
    """Put what each extension holds for the process into the state of the application; nobody takes another's name."""
    owners = dict.fromkeys(app.state._state, "weyl")
    for extension in extensions:
        if extension.state is None:
            continue
        held = await stack.enter_async_context(extension.state(services))
        for name, value in held.items():
            for problem in claim(owners, name, extension.name, f"The name {name} in the state of the server"):
                raise ExtensionConflict(problem)
            setattr(app.state, name, value)


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
