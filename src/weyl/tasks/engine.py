"""Runs tasks and schedules in a worker, on pgqueuer."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from pgqueuer.domain.errors import PgqException
from pgqueuer.executors import EntrypointExecutorParameters
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.types import QueueExecutionMode

from weyl.kit.db import CONNECT_TIMEOUT_S, Database, libpq_dsn
from weyl.kit.task import SIZES, BoundTask, Run, Size
from weyl.tasks.execution import Execution, run_once
from weyl.tasks.locks import DATABASE_AWAY
from weyl.tasks.options import OptionsSource, no_options
from weyl.tasks.repository import Room, TaskRepository
from weyl.tasks.scheduler import Scheduler
from weyl.tasks.watchdog import Watchdog

log = structlog.get_logger(__name__)

# A worker that dies is noticed after the first, and its tasks are looked for again after the second.
HEARTBEAT = timedelta(seconds=5)
DEQUEUE_TIMEOUT = timedelta(seconds=2)
BATCH = 50
CLOSE_TIMEOUT_S = 5.0
RESTART_DELAY_S = 0.2
RESTART_DELAY_MAX_S = 10.0
# What ran for so long before it was lost is begun again at once.
STABLE_S = 60.0


async def _reset_if_needed(connection: Any) -> None:
    """Give a connection back as it is: the engine's statements leave nothing behind, and a reset costs a round trip."""
    if connection.is_in_transaction():
        await connection.reset()


class Worker:
    """Runs those of the given tasks that have one of the sizes, until it is stopped; looks after all schedules."""

    def __init__(
        self,
        db: Database,
        tasks: Sequence[BoundTask],
        *,
        concurrency: int = 20,
        options: OptionsSource = no_options,
        sizes: Collection[Size] = SIZES,
    ) -> None:
        self._db = db
        self._bound = {bound.task.name: bound for bound in tasks}
        if len(self._bound) != len(tasks):
            names = [bound.task.name for bound in tasks]
            raise ValueError(f"Declared twice: {sorted({name for name in names if names.count(name) > 1})}")
        self._options = options
        self._sizes = frozenset(sizes)
        self._concurrency = concurrency
        gates = {bound.task.name: bound.is_needed for bound in tasks if bound.is_needed is not None}
        self._scheduler = Scheduler(db, [bound.task for bound in tasks], options, gates=gates)
        self._stopping = asyncio.Event()
        self._engine: QueueManager | None = None
        self._room: Room | None = None

    @property
    def names(self) -> list[str]:
        """The names of all tasks that this worker knows, whatever their size."""
        return sorted(self._bound)

    async def run(self) -> None:
        """Run tasks and schedules until `stop`; comes back by itself when the database does."""
        with Watchdog().watching():
            async with asyncio.TaskGroup() as group:
                scheduler = group.create_task(self._scheduler.run(self._stopping))
                await self._run_engine_forever()
                scheduler.cancel()

    def stop(self) -> None:
        """Take no new task; those under way are finished."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.shutdown.set()
        if self._room is not None:
            self._room.close()

    async def drain(self) -> None:
        """Run what is waiting now, then return; schedules are not looked at."""
        await self._run_engine(QueueExecutionMode.drain)

    async def run_now(self, name: str, payload: object = None, *, vo: str | None = None) -> None:
        """Run one task in the foreground, outside the queue: one attempt, whose error is the caller's."""
        run = Run(task_id=0, attempt=1, vo=vo)
        await run_once(self._db, self._bound[name], payload, run=run, options=self._options)

    async def _run_engine_forever(self) -> None:
        delay_s = RESTART_DELAY_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._run_engine(QueueExecutionMode.continuous)
            except (*DATABASE_AWAY, PgqException) as error:
                if time.monotonic() - began > STABLE_S:
                    delay_s = RESTART_DELAY_S
                log.warning("worker.engine_lost", error=repr(error), retry_in_s=delay_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(delay_s * 2, RESTART_DELAY_MAX_S)

    async def _run_engine(self, mode: QueueExecutionMode) -> None:
        async with self._open_pool() as pool:
            room = self._room = Room(self._concurrency, batch_max=BATCH)
            repository = TaskRepository.open(pool, self._db, room)
            engine = self._engine = QueueManager(repository)
            for bound in self._bound.values():
                if bound.task.size in self._sizes:
                    self._register(engine, bound, repository)
            if self._stopping.is_set():
                return
            await engine.run(
                dequeue_timeout=DEQUEUE_TIMEOUT,
                batch_size=BATCH,
                mode=mode,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=HEARTBEAT,
            )

    @asynccontextmanager
    async def _open_pool(self) -> AsyncIterator[asyncpg.Pool]:
        pool = await asyncpg.create_pool(
            libpq_dsn(self._db.url),
            min_size=2,
            max_size=4,
            timeout=CONNECT_TIMEOUT_S,
            # A way to the database that swallows everything ends the engine, which then looks for another.
            command_timeout=self._db.command_timeout_s,
            server_settings={"timezone": "UTC", "application_name": "weyl-worker"},
            reset=_reset_if_needed,
        )
        try:
            yield pool
        finally:
            # A connection that was lost on its way back is waited for without end; nothing is under way any more.
            with suppress(*DATABASE_AWAY):
                await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)

    def _register(self, engine: QueueManager, bound: BoundTask, repository: TaskRepository) -> None:
        async def unused(_: Job) -> None:
            raise AssertionError("Execution calls the handler")

        room = self._room
        assert room is not None

        def executor(parameters: EntrypointExecutorParameters) -> Execution:
            return Execution(parameters, bound, repository=repository, room=room, options=self._options)

        engine.entrypoint(bound.task.name, executor_factory=executor, on_failure="delete", accepts_context=False)(
            unused
        )
