"""Enqueues scheduled tasks when they are due: once for all workers, late if need be, never twice."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.task import IsNeeded, Task
from weyl.tasks.errors import InvalidRule
from weyl.tasks.options import OptionsSource
from weyl.tasks.queries import schedules as queries
from weyl.tasks.schedule import Planned, first_run, next_run, plan
from weyl.tasks.service import enqueue_scheduled

log = structlog.get_logger(__name__)

SYNC_EVERY = timedelta(seconds=60)
PAUSE_MAX_S = 1.0


class Scheduler:
    """The schedules that one worker looks after, together with all others."""

    def __init__(
        self,
        db: Database,
        tasks: Iterable[Task],
        options: OptionsSource,
        *,
        gates: Mapping[str, IsNeeded] | None = None,
    ) -> None:
        self._db = db
        self._gates = gates or {}
        self._tasks = {task.name: task for task in tasks}
        self._options = options
        self._revision: str | None = None
        self._synced_at: datetime | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Enqueue what is due until told to stop."""
        while not stopping.is_set():
            try:
                pause_s = await self.tick(utcnow())
            except Exception as error:  # noqa: BLE001 - the outermost loop: the database may be away for a while
                log.warning("scheduler.failed", error=repr(error))
                pause_s = PAUSE_MAX_S
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause_s)

    async def tick(self, now: datetime) -> float:
        """Take over what code and configuration say, enqueue what is due; returns the seconds until to look again."""
        if not self._tasks:
            return PAUSE_MAX_S
        revision = self._options().revision
        # A clock that was set back counts as time to look, too.
        is_old = self._synced_at is None or abs(now - self._synced_at) >= SYNC_EVERY or now < self._synced_at
        if is_old or revision != self._revision:
            await self.sync(now)
            self._revision, self._synced_at = revision, now
        names = list(self._tasks)
        async with self._db.transaction() as tx:
            due = await queries.select_due(tx, names, now)
            if due:
                await queries.update_next_runs(tx, [(row, next_run(row.rule, now)) for row in due], now)
                gated = {row.task for row in due if not await self._is_needed(tx, row.task)}
                wanted = [row for row in due if row.task not in gated]
                await enqueue_scheduled(tx, wanted, {name: task.priority for name, task in self._tasks.items()})
            next_at = await queries.select_next_due(tx, names)
        if next_at is None:
            return PAUSE_MAX_S
        return min(max((next_at - now).total_seconds(), 0.05), PAUSE_MAX_S)

    async def _is_needed(self, tx: Tx, name: str) -> bool:
        """Ask the task; a question that fails holds up nobody, the run itself will tell what is wrong."""
        gate = self._gates.get(name)
        if gate is None:
            return True
        try:
            async with tx.begin_nested():
                return await gate(tx)
        except Exception as error:  # noqa: BLE001 - the gate may be an extension's
            log.warning("schedule.gate_failed", task=name, error=repr(error))
            return True

    async def sync(self, now: datetime) -> None:
        """Store the declared tasks and what their schedules are now."""
        options = self._options()
        planned = [self._checked(row, now) for row in plan(self._tasks.values(), options)]
        rows = [row for row in planned if row is not None]
        async with self._db.transaction() as tx:
            await queries.upsert_kinds(tx, list(self._tasks.values()), now)
            await queries.delete_schedules_except(tx, list(self._tasks), [(row.task, row.vo) for row, _, _ in rows])
            if rows:
                await queries.upsert_schedules(tx, rows)

    def _checked(self, row: Planned, now: datetime) -> tuple[Planned, datetime | None, datetime | None] | None:
        """Return a schedule with its times; a rule that cannot be understood gives way to the code's."""
        declared = self._tasks[row.task].rule
        for rule in dict.fromkeys((row.rule, declared)):
            if rule is None:
                continue
            try:
                times = first_run(rule, now), next_run(rule, now)
            except InvalidRule as error:
                log.error("schedule.invalid", task=row.task, vo=row.vo or None, problem=str(error))
                continue
            return Planned(row.task, row.vo, rule, row.enabled, row.arguments), *times
        return None
