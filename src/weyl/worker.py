"""Wires the worker: the tasks of every room and extension, run until a signal asks to stop."""

import asyncio
import signal
from collections.abc import Sequence

import structlog

from weyl.app import open_services
from weyl.builtin import load_extensions
from weyl.extension import Extension, Services
from weyl.settings import Settings
from weyl.tasks.engine import Worker
from weyl.tasks.models import BoundTask

log = structlog.get_logger(__name__)


def collect_tasks(extensions: Sequence[Extension], services: Services) -> list[BoundTask]:
    """Return the tasks of all extensions, bound to this process's services."""
    return [task for extension in extensions if extension.tasks is not None for task in extension.tasks(services)]


async def run_worker(settings: Settings, extensions: Sequence[Extension] | None = None) -> None:
    """Run tasks until SIGTERM or SIGINT; those under way are finished first."""
    active = load_extensions() if extensions is None else extensions
    async with open_services(settings, active) as services:
        tasks = collect_tasks(active, services)
        worker = Worker(services.db, tasks, concurrency=settings.worker_concurrency)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        log.info("worker.started", tasks=len(tasks))
        await worker.run()
        log.info("worker.stopped")
