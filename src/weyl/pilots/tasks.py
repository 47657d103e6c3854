"""Background work on pilots: planning, sending, asking after them, clearing up."""

import asyncio
from datetime import timedelta
from typing import Any

from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.partitions import drop_month_partitions, ensure_month_partitions
from weyl.kit.task import BoundTask, Task
from weyl.pilots.need import QueueKey, is_pushed
from weyl.pilots.queries import credentials
from weyl.pilots.queries import push as push_queries
from weyl.pilots.service import polling, push, push_tending, submission
from weyl.pilots.service.planning import SUBMIT, plan_due, vos_due
from weyl.pilots.service.push_doors import Doors
from weyl.pilots.service.yard import Yard
from weyl.pilots.tables import pilot_log_chunks, pilot_secret_uses
from weyl.tasks import locks
from weyl.tasks.service import enqueue

PLAN = Task("pilots.plan", every=timedelta(seconds=2), lock="pilots.plan")
POLL = Task("pilots.poll", every=timedelta(seconds=5), lock="pilots.poll")
ASK = Task("pilots.ask", attempts_max=1)
PUSH = Task("pilots.push", every=timedelta(seconds=5), lock="pilots.push")
TEND = Task("pilots.tend", attempts_max=1)
CLEAN = Task("pilots.clean", every=timedelta(hours=1), lock="pilots.clean")
HOUSEKEEPING = Task("pilots.housekeeping", every=timedelta(hours=1), lock="pilots.housekeeping")

LOGS_KEPT = timedelta(days=30)
USES_KEPT = timedelta(days=366)
LOCK_TRIES, LOCK_PAUSE_S = 10, 1.0
CREDENTIALS_KEPT = timedelta(days=7)


def tasks(yard: Yard) -> list[BoundTask]:
    """Return the tasks of this room, bound to what a worker has."""
    db = yard.db

    async def plan(_: object) -> None:
        means = await yard.means()
        async with db.transaction() as tx:
            await plan_due(tx, yard.config.current().config, means, now=utcnow())

    async def is_time_to_plan(tx: Tx) -> bool:
        return bool(await vos_due(tx, yard.config.current().config, now=utcnow()))

    async def is_time_to_poll(tx: Tx) -> bool:
        return await polling.is_due(tx, now=utcnow())

    async def poll(_: object) -> None:
        await polling.bury_overdue(yard)
        elements = await polling.elements_due(yard)
        async with db.transaction() as tx:
            await enqueue(
                tx,
                ASK,
                [list(element) for element in elements],
                keys=[f"pilots.ask/{site}/{ce}" for site, ce in elements],
            )

    async def ask(element: list[str]) -> None:
        await polling.ask(yard, (element[0], element[1]))

    async def clean(_: object) -> None:
        await polling.clean(yard)

    async def keep_house(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            for table, kept in ((pilot_log_chunks, LOGS_KEPT), (pilot_secret_uses, USES_KEPT)):
                await ensure_month_partitions(tx, table.name, now)
                await drop_month_partitions(tx, table.name, now - kept)
            await credentials.delete_expired(tx, before=now - CREDENTIALS_KEPT)
            await push_queries.delete_closed(tx, before=now - LOGS_KEPT)

    return [
        PLAN.bind(plan, is_needed=is_time_to_plan),
        *_sending(yard),
        POLL.bind(poll, is_needed=is_time_to_poll),
        ASK.bind(ask),
        CLEAN.bind(clean),
        HOUSEKEEPING.bind(keep_house),
    ]


def _sending(yard: Yard) -> list[BoundTask]:
    """Return what sends pilots, and jobs to queues in push mode, which it also looks after."""
    db = yard.db
    pushing = push.Pushing(yard, Doors(yard))

    async def submit(order: dict[str, Any]) -> None:
        key = QueueKey(order["vo"], order["site"], order["ce"], order["queue"])
        may_push = is_pushed(yard.config.current().config, key)
        # Of a queue in push mode the lock is also held by whoever looks after its jobs, for a moment.
        for _ in range(LOCK_TRIES if may_push else 1):
            async with locks.hold(db, key.lock()) as fencing:
                if fencing is not None and may_push:
                    await push.take(pushing, key, order["count"])
                elif fencing is not None:
                    await submission.submit(yard, key, order["count"])
            if fencing is not None or not may_push:
                break  # done, or somebody else sends to this queue now, and the next plan looks again
            await asyncio.sleep(LOCK_PAUSE_S)

    async def is_anything_pushed(tx: Tx) -> bool:
        return bool(await push_queries.select_busy_queues(tx))

    async def look_after(_: object) -> None:
        async with db.transaction() as tx:
            keys = [QueueKey(*row) for row in await push_queries.select_busy_queues(tx)]
            await enqueue(tx, TEND, [list(key) for key in keys], keys=[f"pilots.tend/{key.lock()}" for key in keys])

    async def tend(names: list[str]) -> None:
        key = QueueKey(*names)
        async with locks.hold(db, key.lock()) as fencing:
            if fencing is not None:
                await push_tending.tend(pushing, key)
        await push_tending.clean(pushing)

    return [SUBMIT.bind(submit), PUSH.bind(look_after, is_needed=is_anything_pushed), TEND.bind(tend)]
