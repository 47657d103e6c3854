"""A worker in a process of its own, to be killed: one task says that it began and never ends, one kills its worker."""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import text

from weyl.kit.db import Database
from weyl.kit.task import Lock, Run, Task
from weyl.tasks.engine import Worker

STAY = Task("crash.stay", locks=lambda payload: [Lock(f"crash:{payload['key']}")] if payload.get("key") else [])
KILL = Task("crash.kill", deaths_max=2)


async def main(url: str) -> None:
    """Run until killed."""
    db = Database(url, pool_size=2)

    async def began(run: Run) -> None:
        async with db.transaction() as tx:
            values = {"pid": os.getpid(), "task": run.task_id, "fencing": max(run.fencing.values(), default=0)}
            await tx.execute(text("INSERT INTO began VALUES (:pid, :task, :fencing)"), values)

    async def stay(_: Any, run: Run) -> None:
        await began(run)
        await asyncio.Event().wait()

    async def kill(_: Any, run: Run) -> None:
        await began(run)
        os.kill(os.getpid(), signal.SIGKILL)

    await Worker(db, [STAY.bind_run(stay), KILL.bind_run(kill)], concurrency=4).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
