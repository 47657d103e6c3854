"""Runs one delivery of a task: takes what it needs, calls its handler, and says what follows from a failure."""

import dataclasses
import random

import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.executors import EntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.models import Context, Job

from weyl.kit import json
from weyl.kit.bisected import SomeFailed
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Run
from weyl.tasks.errors import GiveUp, RetryLater, WorkerDied
from weyl.tasks.locks import NotTaken, holding
from weyl.tasks.needs import defer_delay, needs_of, retry_delay
from weyl.tasks.options import OptionsSource
from weyl.tasks.repository import Room, TaskRepository, deaths_of, headers_of

log = structlog.get_logger(__name__)


async def run_once(db: Database, bound: BoundTask, payload: object, *, run: Run, options: OptionsSource) -> None:
    """Call the handler with all locks and limits taken; raises `NotTaken` if they are not to be had."""
    task = bound.task
    needs = needs_of(task, payload, vo=run.vo, options=options())
    if not needs:
        await bound.handler(payload, run)
        return
    is_running = False
    try:
        async with holding(db, needs, task=task.name) as held:
            is_running = True
            await bound.handler(payload, dataclasses.replace(run, fencing=held.fencing))
    except NotTaken as refusal:
        if is_running or refusal.key != task.lock:
            raise
        log.debug("task.skipped", task=task.name, reason="another run is under way")


class Execution(EntrypointExecutor):
    """What the engine calls for each task that it hands out."""

    def __init__(
        self,
        parameters: EntrypointExecutorParameters,
        bound: BoundTask,
        *,
        repository: TaskRepository,
        room: Room,
        options: OptionsSource,
    ) -> None:
        super().__init__(parameters)
        self._bound = bound
        self._repository = repository
        self._room = room
        self._options = options

    async def execute(self, job: Job, context: Context) -> None:
        """Run the task once; a failure becomes a later attempt, or the last one."""
        async with self._room.one():
            try:
                await self._deliver(job)
            except SomeFailed as error:  # the next run meets them again: no other attempt, and no dead letter each time
                log.error("task.partly_failed", task=self._bound.task.name, task_id=job.id, error=str(error))
            except Exception as error:
                retry = self._retry(job, error)
                if retry is None:
                    raise
                raise retry from error

    async def _deliver(self, job: Job) -> None:
        deaths = deaths_of(job)
        if deaths >= self._bound.task.deaths_max:
            raise WorkerDied(f"worker died {deaths} times")
        vo = headers_of(job).get("vo")
        run = Run(task_id=job.id, attempt=job.attempts + 1, vo=vo)
        payload = json.loads(job.payload or b"null")
        await run_once(self._repository.db, self._bound, payload, run=run, options=self._options)

    def _retry(self, job: Job, error: Exception) -> RetryRequested | None:
        """Return when to try again; none if this was the last time."""
        task = self._bound.task
        if isinstance(error, NotTaken | RetryLater):
            self._repository.put_off(job)
            deferrals = int(headers_of(job).get("deferrals", 0))
            wait_s = error.delay_s if isinstance(error, RetryLater) else error.wait_s
            delay = defer_delay(
                0 if isinstance(error, RetryLater) else deferrals, wait_s=wait_s, chance=random.random()
            )
            log.debug("task.put_off", task=task.name, reason=str(error), delay_s=delay.total_seconds())
            return RetryRequested(delay=delay, reason=f"put off: {error}")
        attempt = job.attempts + 1
        if attempt >= task.attempts_max or isinstance(error, GiveUp | WorkerDied):
            log.error("task.failed", task=task.name, task_id=job.id, attempts=attempt, exc_info=error)
            return None
        delay = retry_delay(task, job.attempts)
        log.warning("task.retried", task=task.name, attempt=attempt, delay_s=delay.total_seconds(), error=repr(error))
        return RetryRequested(delay=delay, reason=f"{type(error).__name__}: {error}")
