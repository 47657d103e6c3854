"""The rooms of weyl itself as one extension, and the extensions that are installed beside it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points, version

from weyl.accounting import tasks as accounting_tasks
from weyl.accounting.routes import router as accounting_router
from weyl.auth import tasks as auth_tasks
from weyl.auth.routes.routers import ROUTERS as AUTH_ROUTERS
from weyl.auth.service.authority import open_authority
from weyl.auth.service.sessions import Sessions
from weyl.auth.verifier import Verifier
from weyl.auth.views import VIEWS as AUTH_VIEWS
from weyl.config.routes import router as config_router
from weyl.extension import Extension, ExtensionConflict, Services
from weyl.file_catalog.drivers.known import CATALOGS
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.routes import (
    bulk,
    details,
    failures,
    heartbeat,
    metadata,
    peek,
    reschedule,
    search,
    status,
    submission,
)
from weyl.jobs.routes import sandboxes as jobs_sandboxes
from weyl.jobs.service import figures as job_figures
from weyl.jobs.service.feed import JobFeed, QueueFeed
from weyl.jobs.service.holds import Waker
from weyl.jobs.service.moves import fail
from weyl.jobs.service.writes import JobWrites
from weyl.jobs.views import VIEWS as JOB_VIEWS
from weyl.kit.changes import Feed
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.following import following
from weyl.kit.metrics import Figure, Source
from weyl.matcher import tasks as matcher_tasks
from weyl.matcher.routes import explain_router
from weyl.matcher.routes import router as matcher_router
from weyl.matcher.service.explain import Explainer
from weyl.matcher.service.explain_offers import OfferExplainer
from weyl.matcher.service.matcher import open_matcher
from weyl.pilots import tasks as pilots_tasks
from weyl.pilots.compute_elements.known import DRIVERS
from weyl.pilots.routes import router as pilots_router
from weyl.pilots.service import figures as pilot_figures
from weyl.pilots.service import hosts as host_figures
from weyl.pilots.service.feed import PilotFeed
from weyl.pilots.service.revocations import RevocationGuard
from weyl.pilots.service.yard import Yard
from weyl.pilots.views import VIEWS as PILOT_VIEWS
from weyl.resource_status import tasks as resource_status_tasks
from weyl.resource_status.routes import router as resource_status_router
from weyl.resource_status.service.board import StatusBoard
from weyl.resource_status.service.feed import StatusFeed
from weyl.resource_status.views import VIEWS as STATUS_VIEWS
from weyl.sandboxes import tasks as sandboxes_tasks
from weyl.sandboxes.routes import router as sandboxes_router
from weyl.task_queues import tasks as task_queues_tasks
from weyl.task_queues.routes import router as task_queues_router
from weyl.task_queues.views import VIEWS as QUEUE_VIEWS
from weyl.tasks import figures as task_figures
from weyl.tasks import tasks as tasks_tasks
from weyl.tasks.feed import OperationFeed
from weyl.tasks.models import BoundTask
from weyl.tasks.routes import operations_router
from weyl.tasks.routes import router as tasks_router
from weyl.tasks.views import VIEWS as TASK_VIEWS
from weyl.web.routes import docs, events, ui
from weyl.web.service.assets import Assets
from weyl.web.service.hub import Hub
from weyl.web.service.shelf import ViewShelf
from weyl.web.service.site import Site


@asynccontextmanager
async def _state(services: Services) -> AsyncIterator[Mapping[str, object]]:
    authority = open_authority(
        services.settings, keys=services.keys, config=services.config, properties=services.properties
    )
    guard = RevocationGuard(
        Verifier(services.keys, services.config),
        services.db,
        token_lifetime=timedelta(minutes=services.settings.access_token_minutes),
    )
    board = StatusBoard(services.db, services.config)
    matching = open_matcher(
        services.db,
        board,
        services.keys,
        token_lifetime_s=services.settings.access_token_minutes * 60,
        advice=guard.advice,
    )
    waker = Waker(services.db, board)
    async with authority as auth, matching as matcher, _hub(services, board) as hub:
        followers = (board.follower, waker.follower, *matcher.followers, guard.follower, *hub.followers)
        services.followers.extend(followers)
        explainer = Explainer(board, matcher, pilots_seen=pilot_figures.count_pilots)
        _show_figures(services)
        services.metrics.gauge(
            "weyl_matcher_classes", "Classes of waiting jobs in this process's index.", lambda: len(matcher.index)
        )
        matcher.observe = services.metrics.histogram(
            "weyl_match_duration_seconds", "Time from a pilot's question to its claim, without the wait for jobs."
        )
        async with following(*followers):
            yield {
                "verifier": guard,
                "auth": auth,
                "sessions": Sessions(services.db, services.config, services.settings),
                "status_board": board,
                "job_writes": JobWrites(services.db, services.config),
                "submission_rules": replace(services.submission, outlook=explainer.outlook),
                "matcher": matcher,
                "explainer": explainer,
                "offer_explainer": OfferExplainer(services.db, board, matcher),
                "before_stop": [matcher.send_away, hub.close],
                "pilot_yard": _yard(services),
                "view_shelf": ViewShelf(services.views, version("weyl")),
                "event_hub": hub,
                "site": Site(Assets.installed(services.assets), services.settings),
            }


def _hub(services: Services, board: StatusBoard) -> Hub:
    settings = services.settings
    feeds: dict[str, Feed] = {
        "jobs": JobFeed(services.db, services.config),
        "queues": QueueFeed(services.db, services.config),
        "operations": OperationFeed(services.db),
        "pilots": PilotFeed(services.db),
        "sites": StatusFeed(board),
    }
    return Hub(feeds, every_s=settings.events_every_s, streams_max=settings.event_streams_max)


def _yard(services: Services) -> Yard:
    return Yard.open(services.settings, db=services.db, config=services.config, drivers=services.drivers)


_FIGURES = {
    "jobs": job_figures.figures,
    "pilots": pilot_figures.figures,
    "hosts": host_figures.figures,
    "tasks": task_figures.figures,
}


def _show_figures(services: Services) -> None:
    """Show what the database says; every process does, so that one that is left is enough."""

    def source(read: Callable[[Tx], Awaitable[Sequence[Figure]]]) -> Source:
        async def ask() -> Sequence[Figure]:
            async with services.db.read() as tx:
                return await read(tx)

        return ask

    for name, read in _FIGURES.items():
        services.metrics.add_source(name, source(read))


async def _fail_jobs_without_sandbox(tx: Tx, job_ids: Sequence[int]) -> None:
    await fail(tx, job_ids, minor_status="Failed Downloading InputSandbox", source="Sandboxes", now=utcnow())


def _tasks(services: Services) -> Sequence[BoundTask]:
    _show_figures(services)
    return [
        *auth_tasks.tasks(services.db, session_idle_minutes=services.settings.session_idle_minutes),
        *task_queues_tasks.tasks(services.db),
        *sandboxes_tasks.tasks(
            services.db,
            services.store,
            unassigned_days=services.settings.sandbox_unassigned_days,
            on_broken=_fail_jobs_without_sandbox,
        ),
        *jobs_tasks.tasks(
            services.db,
            services.config,
            rules=services.preparation,
            history_months=services.settings.job_history_months,
            heartbeat_months=services.settings.job_heartbeat_months,
            references=services.references,
        ),
        *resource_status_tasks.tasks(services.db),
        *matcher_tasks.tasks(services.db, services.config),
        *pilots_tasks.tasks(_yard(services)),
        *accounting_tasks.tasks(services.db, record_months=services.settings.accounting_months),
        *tasks_tasks.tasks(services.db),
    ]


_JOBS = (submission, search, status, heartbeat, metadata, reschedule, details, peek, bulk, failures)

BUILTIN = Extension(
    name="weyl",
    routers=[
        *AUTH_ROUTERS,
        config_router,
        resource_status_router,
        sandboxes_router,
        jobs_sandboxes.router,
        *(module.router for module in _JOBS),
        task_queues_router,
        matcher_router,
        explain_router,
        accounting_router,
        pilots_router,
        tasks_router,
        ui.router,
        docs.router,
        events.router,
        operations_router,
    ],
    views=[*JOB_VIEWS, *STATUS_VIEWS, *PILOT_VIEWS, *QUEUE_VIEWS, *AUTH_VIEWS, *TASK_VIEWS],
    state=_state,
    tasks=_tasks,
    compute_elements=DRIVERS,
    catalogs=CATALOGS,
)


@dataclass(frozen=True, slots=True)
class Installed:
    """An extension and the package that it came with."""

    extension: Extension
    package: str
    version: str


def installed_extensions() -> list[Installed]:
    """Return the extensions that are installed (entry points of group `weyl.extensions`), by name."""
    found = [_loaded(entry) for entry in entry_points(group="weyl.extensions")]
    return sorted(found, key=lambda each: each.extension.name)


def _loaded(entry: EntryPoint) -> Installed:
    package, version = (entry.dist.name, entry.dist.version) if entry.dist is not None else ("", "")
    place = f"The extension {entry.name} ({entry.value}) of the package {package} {version}"
    try:
        extension = entry.load()
    except (ImportError, AttributeError) as error:
        raise ExtensionConflict(f"{place} cannot be loaded: {error}") from error
    if not isinstance(extension, Extension):
        raise ExtensionConflict(f"{place} is no weyl.extension.Extension but {type(extension).__name__}")
    return Installed(extension, package, version)


def load_extensions() -> list[Extension]:
    """Return weyl's own extension, then every installed one."""
    return [BUILTIN, *(each.extension for each in installed_extensions())]
