"""Wires the worker: the tasks of every room and extension, run until a signal asks to stop."""

import asyncio
import signal
from collections.abc import Collection

import structlog

from weyl.app import open_services
from weyl.builtin import active_extensions
from weyl.config.service import CONFIG
from weyl.config.task_options import ConfiguredOptions
from weyl.extension import EXTENSION, Extension, ExtensionConflict
from weyl.kit.db import DATABASE
from weyl.kit.metrics import METRICS
from weyl.kit.points import claim
from weyl.kit.services import Services
from weyl.kit.task import SIZES, BoundTask, Size
from weyl.observing import observed, open_traces
from weyl.settings import Settings
from weyl.tasks.engine import Worker
from weyl.tasks.errors import TaskNotFound
from weyl.tasks.watch import watched

log = structlog.get_logger(__name__)


def bound_tasks(services: Services) -> list[BoundTask]:
    """Return the tasks of all rooms and extensions, bound to what this process holds."""
    tasks: list[BoundTask] = []
    owners: dict[str, str] = {}
    for bind in services[EXTENSION].tasks:
        for each in bind(services):
            for problem in claim(owners, each.task.name, bind.__module__, f"The task {each.task.name}"):
                raise ExtensionConflict(problem)
            tasks.append(each)
    return tasks


async def run_worker(
    settings: Settings, extension: Extension | None = None, *, sizes: Collection[Size] = SIZES
) -> None:
    """Run tasks of these sizes until SIGTERM or SIGINT; those under way are finished first."""
    extension = active_extensions() if extension is None else extension
    traces = open_traces(settings, "weyl-worker")
    async with open_services(settings, extension) as services, observed(services, traces, "weyl-worker"):
        tasks = [watched(bound, metrics=services[METRICS], traces=traces) for bound in bound_tasks(services)]
        worker = Worker(
            services[DATABASE],
            tasks,
            concurrency=settings.worker_concurrency,
            options=ConfiguredOptions(services[CONFIG]),
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
    extension: Extension | None = None,
) -> None:
    """Run one task here and now, outside the queue; its error is the caller's."""
    extension = active_extensions() if extension is None else extension
    async with open_services(settings, extension) as services:
        worker = Worker(services[DATABASE], bound_tasks(services), options=ConfiguredOptions(services[CONFIG]))
        if name not in worker.names:
            raise TaskNotFound(f"There is no task {name!r}; there are {', '.join(worker.names)}")
        await worker.run_now(name, payload, vo=vo)
