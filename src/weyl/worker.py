"""Wires the worker: the tasks of every room and extension, run until a signal asks to stop."""

import asyncio
import signal
from collections.abc import Collection, Sequence

import structlog

from weyl.activation import claim
from weyl.app import open_services
from weyl.builtin import load_extensions
from weyl.config.task_options import ConfiguredOptions
from weyl.extension import Extension, ExtensionConflict, Services
from weyl.observing import observed, open_traces
from weyl.settings import Settings
from weyl.tasks.engine import Worker
from weyl.tasks.errors import TaskNotFound
from weyl.tasks.models import SIZES, BoundTask, Size
from weyl.tasks.watch import watched

log = structlog.get_logger(__name__)


def collect_tasks(extensions: Sequence[Extension], services: Services) -> list[BoundTask]:
    """Return the tasks of all extensions, bound to this process's services."""
    bound: list[BoundTask] = []
    owners: dict[str, str] = {}
    for extension in extensions:
        for each in extension.tasks(services) if extension.tasks is not None else ():
            for problem in claim(owners, each.task.name, extension.name, f"The task {each.task.name}"):
                raise ExtensionConflict(problem)
            bound.append(each)
    return bound


async def run_worker(
    settings: Settings, extensions: Sequence[Extension] | None = None, *, sizes: Collection[Size] = SIZES
) -> None:
    """Run tasks of these sizes until SIGTERM or SIGINT; those under way are finished first."""
    active = load_extensions() if extensions is None else extensions
    traces = open_traces(settings, "weyl-worker")
    async with open_services(settings, active) as services, observed(services, traces, "weyl-worker"):
        tasks = [watched(bound, metrics=services.metrics, traces=traces) for bound in collect_tasks(active, services)]
        worker = Worker(
            services.db,
            tasks,
            concurrency=settings.worker_concurrency,
            options=ConfiguredOptions(services.config),
            sizes=sizes,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        log.info("worker.started", tasks=len(tasks))
        await worker.run()
        log.info("worker.stopped")


async def run_task(
    settings: Settings,
    name: str,
    *,
    payload: object = None,
    vo: str | None = None,
    extensions: Sequence[Extension] | None = None,
) -> None:
    """Run one task here and now, outside the queue; its error is the caller's."""
    active = load_extensions() if extensions is None else extensions
    async with open_services(settings, active) as services:
        worker = Worker(services.db, collect_tasks(active, services), options=ConfiguredOptions(services.config))
        if name not in worker.names:
            raise TaskNotFound(f"There is no task {name!r}; there are {', '.join(worker.names)}")
        await worker.run_now(name, payload, vo=vo)
