"""The engine's queue as a worker sees it: takes as much as there is room for, and settles what ended."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.types import JOB_STATUS, HealthCheckId, QueueEntrypoint, QueueManagerId
from pgqueuer.models import Job, TracebackRecord
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter

from weyl.kit import json
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx, driver_connection, is_unavailable
from weyl.kit.sql import Sql
from weyl.tasks.errors import WorkerDied
from weyl.tasks.locks import DATABASE_AWAY
from weyl.tasks.queries import outcomes
from weyl.tasks.service import Entry, follow_up_payload, insert

log = structlog.get_logger(__name__)

Ended = tuple[Job, JOB_STATUS, TracebackRecord | None]


class Room:
    """How many tasks one worker may run at a time, and how many it holds.

    A worker takes no more than it can begin, so that others find the rest; only where tasks are over at once does it
    take more in one statement, for the statement would cost more than the tasks.
    """

    SHORT_S = 0.01

    def __init__(self, tasks_max: int, *, batch_max: int) -> None:
        self._tasks_max = tasks_max
        self._batch_max = max(batch_max, tasks_max)
        self._places = asyncio.Semaphore(tasks_max)
        self._held = 0
        self._mean_s = 1.0
        self._changed = asyncio.Event()
        self._is_closed = False

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold one task during the block, which begins when there is a place."""
        self._held += 1
        try:
            async with self._places:
                began = time.monotonic()
                yield
                self._mean_s += (time.monotonic() - began - self._mean_s) / 16
        finally:
            self._held -= 1
            self._changed.set()

    def close(self) -> None:
        """Let nothing more in."""
        self._is_closed = True
        self._changed.set()

    @property
    def _held_max(self) -> int:
        return self._batch_max if self._mean_s < self.SHORT_S else self._tasks_max

    async def wait(self) -> int:
        """Return how many more tasks may be taken, at least one; none once closed."""
        # Those that were taken last get their turn to be counted.
        await asyncio.sleep(0)
        while self._held >= self._held_max and not self._is_closed:
            self._changed.clear()
            await self._changed.wait()
        return 0 if self._is_closed else self._held_max - self._held


class _Driver(AsyncpgPoolDriver):
    """The engine's driver, which says when it listens."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.listening = asyncio.Event()

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Listen from now on."""
        await super().add_listener(channel, callback)
        self.listening.set()


def headers_of(job: Job) -> dict[str, Any]:
    """Return what we wrote beside the payload: VO, group, how often the task was put off and its worker died."""
    return job.headers or {}


def deaths_of(job: Job) -> int:
    """Return how often a worker died in the middle of the task."""
    return int(headers_of(job).get("deaths", 0))


_LOOK = Sql(
    """
    -- an idle engine asks three questions a round; one snapshot answers them, and leaves no gap between them
    SELECT
      EXISTS (
        SELECT FROM pgqueuer WHERE entrypoint = ANY(:entrypoints) AND status = 'queued' AND execute_after <= now()
      ) AS eligible,
      (SELECT min(execute_after) - now() FROM pgqueuer
        WHERE entrypoint = ANY(:entrypoints) AND status = 'queued' AND execute_after > now()) AS eta
    """
)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the last look at the queue saw."""

    eta: timedelta | None
    is_empty: bool


class TaskRepository(Queries):
    """The engine's queries, with our ends: groups, dead letters and tasks that are put off, each in one transaction."""

    @classmethod
    def open(cls, pool: asyncpg.Pool, db: Database, room: Room) -> "TaskRepository":
        """Return the repository over the engine's pool, and ours for what ends in a transaction."""
        driver = _Driver(pool)
        repository = cls(driver)
        repository._listening = driver.listening
        repository.db = db
        repository._room = room
        repository._put_off = {}
        repository._look = _Look(None, is_empty=False)
        return repository

    db: Database
    _room: Room
    _put_off: dict[int, int]
    _look: _Look
    _listening: asyncio.Event

    async def notify_health_check(self, health_check_event_id: HealthCheckId) -> None:
        """Send the notice with which the engine tests its listener.

        The first test begins while the connection is still being made; unheard, it would restart the engine.
        """
        await self._listening.wait()
        await super().notify_health_check(health_check_event_id)

    def put_off(self, job: Job) -> None:
        """Note that the retry which follows is none: the task lacked a lock, or said that it comes too early."""
        self._put_off[job.id] = int(headers_of(job).get("deferrals", 0)) + 1

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """Take as many tasks as there is room for, as soon as there is any."""
        room = await self._room.wait()
        if not room:
            return []
        return await super().dequeue(
            min(batch_size, room), entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout
        )

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Tell whether anything may begin; the engine's next two questions are answered by the same look."""
        (row,) = await self.driver.fetch(_LOOK.text, entrypoints)
        eta, is_eligible = cast("timedelta | None", row["eta"]), bool(row["eligible"])
        self._look = _Look(eta, is_empty=not is_eligible and eta is None)
        return int(is_eligible)

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """Return when the next task that is held back may begin, as of the last look."""
        return self._look.eta

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """Count what waits; nothing right after a look that saw nothing."""
        look, self._look = self._look, _Look(None, is_empty=False)
        return 0 if look.is_empty else await super().queued_work(entrypoints)

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Put a task back: as a failed attempt, or as one that was only put off."""
        deferrals = self._put_off.pop(job.id, None)
        try:
            if deferrals is None:
                await super().retry_job(job, delay, traceback_record)
                return
            async with self.db.transaction() as tx:
                await outcomes.defer(tx, job.id, delay=delay, deferrals=deferrals)
        except DATABASE_AWAY as error:
            if not (isinstance(error, OSError) or is_unavailable(error)):
                raise
            # The engine would take this for the task's last failure. As it is, nobody sends heartbeats for the task any
            # more, and it is delivered again, as it would be if this worker had died.
            log.warning("task.not_put_back", task=job.entrypoint, task_id=job.id, error=repr(error))

    async def log_jobs(self, job_status: list[Ended]) -> None:
        """Take what ended out of the queue; what follows from it is in the same transaction."""
        # A worker that is told to drop its tasks calls them cancelled; they are somebody else's then.
        dropped = [job.id for job, status, _ in job_status if status == "canceled"]
        ended = [entry for entry in job_status if entry[1] != "canceled"]
        if not dropped and not any(status != "successful" or "group" in headers_of(job) for job, status, _ in ended):
            await super().log_jobs(ended)
            return
        async with self.db.transaction() as tx:
            await outcomes.release(tx, dropped)
            if ended:
                await _settle(tx, ended)


async def _settle(tx: Tx, ended: Sequence[Ended]) -> None:
    # A task that was delivered twice ends twice, and counts once.
    queued = await outcomes.lock_queued(tx, [job.id for job, _, _ in ended])
    first = {entry[0].id: entry for entry in ended if entry[0].id in queued}
    await Queries.from_asyncpg_connection(await driver_connection(tx)).log_jobs(list(first.values()))
    died = [(job, record) for job, status, record in first.values() if status != "successful"]
    if died:
        history = await outcomes.select_history(tx, [job.id for job, _ in died])
        now = utcnow()
        await outcomes.insert_dead_letters(
            tx,
            [
                {
                    "id": job.id,
                    "task": job.entrypoint,
                    "vo": headers_of(job).get("vo"),
                    "priority": job.priority,
                    "payload": json.loads(job.payload or b"null"),
                    "attempts": job.attempts + deaths_of(job) + (0 if _is_of_deaths(record) else 1),
                    "error": f"{record.exception_type}: {record.exception_message}" if record else "unknown",
                    "traceback": record.traceback if record else "",
                    "history": json.loads(json.dumps(history[job.id])),
                    "enqueued_at": job.created,
                    "died_at": now,
                }
                for job, record in died
            ],
        )
    await _count_down(tx, [job for job, _, _ in first.values()], {job.id for job, _ in died})


def _is_of_deaths(record: TracebackRecord | None) -> bool:
    """Tell whether a task died because its workers did: then its last delivery was no attempt."""
    return record is not None and record.exception_type == WorkerDied.__name__


async def _count_down(tx: Tx, jobs: Sequence[Job], died: set[int]) -> None:
    finished: dict[UUID, list[int]] = defaultdict(list)
    for job in jobs:
        if "group" in headers_of(job):
            finished[UUID(headers_of(job)["group"])].append(job.id)
    if not finished:
        return
    counts = {group: (len(ids), [task_id for task_id in ids if task_id in died]) for group, ids in finished.items()}
    complete = await outcomes.count_down_groups(tx, counts)
    entries = [
        Entry(
            group.follow_up,
            follow_up_payload(group.payload, group.total, group.failed),
            group.priority,
            None,
        )
        for group in complete
    ]
    await insert(tx, entries)
