"""Wires the worker: the tasks of every room and extension, run until a signal asks to stop."""

import asyncio
import signal
from collections.abc import Sequence

import structlog

from weyl.activation import claim
from weyl.app import open_services
from weyl.builtin import load_extensions
from weyl.extension import Extension, ExtensionConflict, Services
from weyl.observing import observed, open_traces
from weyl.settings import Settings
from weyl.tasks.engine import Worker
from weyl.tasks.models import BoundTask
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


async def run_worker(settings: Settings, extensions: Sequence[Extension] | None = None) -> None:
    """Run tasks until SIGTERM or SIGINT; those under way are finished first."""
    active = load_extensions() if extensions is None else extensions
    traces = open_traces(settings, "weyl-worker")
    async with open_services(settings, active) as services, observed(services, traces, "weyl-worker"):
        tasks = [watched(bound, metrics=services.metrics, traces=traces) for bound in collect_tasks(active, services)]
        worker = Worker(services.db, tasks, concurrency=settings.worker_concurrency)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        log.info("worker.started", tasks=len(tasks))
        await worker.run()
        log.info("worker.stopped")
