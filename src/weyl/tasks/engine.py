"""Runs tasks and schedules in a worker, on pgqueuer."""

import asyncio
import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer.applications import PgQueuer
from pgqueuer.domain.errors import PgqException, RetryRequested
from pgqueuer.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Context, Job
from pgqueuer.types import QueueExecutionMode

from weyl.kit import json
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, libpq_dsn
from weyl.tasks import locks, queries
from weyl.tasks.models import BoundTask
from weyl.tasks.schedule import first_run, next_run, retry_delay
from weyl.tasks.service import enqueue_scheduled

log = structlog.get_logger(__name__)

# A worker that dies is noticed after the first, and its tasks are looked for again after the second.
HEARTBEAT = timedelta(seconds=5)
DEQUEUE_TIMEOUT = timedelta(seconds=2)
BATCH = 10


@dataclasses.dataclass
class _RetryingExecutor(EntrypointExecutor):
    """Turns a failure into a later attempt; the last one is kept in the queue as failed."""

    bound: BoundTask | None = None

    async def execute(self, job: Job, context: Context) -> None:
        """Run the handler once."""
        assert self.bound is not None
        task = self.bound.task
        try:
            await self.parameters.func(job)  # type: ignore[call-arg]
        except Exception as error:
            if job.attempts + 1 >= task.attempts_max:
                log.error("task.failed", task=task.name, attempts=job.attempts + 1, exc_info=error)
                raise
            delay = retry_delay(task, job.attempts)
            log.warning(
                "task.retried",
                task=task.name,
                attempt=job.attempts + 1,
                delay_s=delay.total_seconds(),
                error=repr(error),
            )
            raise RetryRequested(delay=delay, reason=repr(error)) from error


class Worker:
    """Runs the given tasks until it is stopped."""

    def __init__(self, db: Database, tasks: Sequence[BoundTask], *, concurrency: int = 20) -> None:
        self._db = db
        self._bound = {bound.task.name: bound for bound in tasks}
        if len(self._bound) != len(tasks):
            names = [bound.task.name for bound in tasks]
            raise ValueError(f"Declared twice: {sorted({name for name in names if names.count(name) > 1})}")
        self._scheduled = {name: bound.task for name, bound in self._bound.items() if bound.task.rule}
        self._concurrency = max(concurrency, 2 * BATCH)
        self._stopping = asyncio.Event()
        self._engine: PgQueuer | None = None

    async def run(self) -> None:
        """Run tasks and schedules until `stop`; comes back by itself when the database does."""
        async with asyncio.TaskGroup() as group:
            scheduler = group.create_task(self._schedule_forever())
            await self._run_engine_forever()
            scheduler.cancel()

    def stop(self) -> None:
        """Take no new task; those under way are finished."""
        self._stopping.set()
        if self._engine is not None:
            self._engine.shutdown.set()

    async def drain(self) -> None:
        """Run what is waiting now, then return; schedules are not looked at."""
        await self._run_engine(QueueExecutionMode.drain)

    async def run_now(self, name: str, payload: object = None) -> None:
        """Run one task in the foreground, outside the queue."""
        await self._handle(self._bound[name], payload)

    async def _run_engine_forever(self) -> None:
        delay_s = 0.2
        while not self._stopping.is_set():
            try:
                await self._run_engine(QueueExecutionMode.continuous)
                delay_s = 0.2
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, PgqException) as error:
                log.warning("worker.engine_lost", error=repr(error), retry_in_s=delay_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(delay_s * 2, 10)

    async def _run_engine(self, mode: QueueExecutionMode) -> None:
        settings = {"timezone": "UTC", "application_name": "weyl-worker"}
        async with asyncpg.create_pool(
            libpq_dsn(self._db.url), min_size=2, max_size=4, server_settings=settings, timeout=10
        ) as pool:
            self._engine = PgQueuer.from_asyncpg_pool(pool)
            for bound in self._bound.values():
                self._register(self._engine, bound)
            if self._stopping.is_set():
                return
            await self._engine.qm.run(
                dequeue_timeout=DEQUEUE_TIMEOUT,
                batch_size=BATCH,
                mode=mode,
                max_concurrent_tasks=self._concurrency,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=HEARTBEAT,
            )

    def _register(self, engine: PgQueuer, bound: BoundTask) -> None:
        async def handle(job: Job) -> None:
            await self._handle(bound, json.loads(job.payload or b"null"))

        def executor(parameters: EntrypointExecutorParameters) -> _RetryingExecutor:
            return _RetryingExecutor(parameters=parameters, bound=bound)

        engine.qm.entrypoint(bound.task.name, executor_factory=executor, on_failure="hold", accepts_context=False)(
            handle
        )

    async def _handle(self, bound: BoundTask, payload: object) -> None:
        if bound.task.lock is None:
            await bound.handler(payload)
            return
        async with locks.hold(self._db, bound.task.lock) as fencing:
            if fencing is None:
                log.debug("task.skipped", task=bound.task.name, reason="another run is under way")
                return
            await bound.handler(payload)

    async def _schedule_forever(self) -> None:
        if not self._scheduled:
            return
        declared = False
        while not self._stopping.is_set():
            try:
                if not declared:
                    await self._declare_schedules()
                    declared = True
                pause_s = await self._enqueue_due()
            except Exception as error:  # noqa: BLE001 - the outermost loop: the database may be away for a while
                log.warning("scheduler.failed", error=repr(error))
                pause_s = 1.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _declare_schedules(self) -> None:
        now = utcnow()
        rows = [
            {"name": task.name, "rule": task.rule, "next_at": first_run(task, now)} for task in self._scheduled.values()
        ]
        async with self._db.transaction() as tx:
            await queries.upsert_schedules(tx, rows)

    async def _enqueue_due(self) -> float:
        """Enqueue what is due; returns the seconds until the next."""
        names = list(self._scheduled)
        now = utcnow()
        async with self._db.transaction() as tx:
            due = [self._scheduled[name] for name in await queries.select_due(tx, names, now)]
            if due:
                await queries.update_next_runs(tx, {task.name: next_run(task, now) for task in due})
                await enqueue_scheduled(tx, due)
            next_at = await queries.select_next_due(tx, names)
        if next_at is None:
            return 1.0
        return min(max((next_at - utcnow()).total_seconds(), 0.05), 1.0)
