"""A worker in a process of its own, to be killed: its task says that it began and never ends."""

import asyncio
import os
import sys
from typing import Any

from sqlalchemy import text

from weyl.kit.db import Database
from weyl.tasks.engine import Worker
from weyl.tasks.models import Lock, Run, Task

STAY = Task("crash.stay", locks=lambda payload: [Lock(f"crash:{payload['key']}")] if payload.get("key") else [])


async def main(url: str) -> None:
    """Run until killed."""
    db = Database(url, pool_size=2)

    async def stay(payload: Any, run: Run) -> None:
        async with db.transaction() as tx:
            values = {"pid": os.getpid(), "task": run.task_id, "fencing": max(run.fencing.values(), default=0)}
            await tx.execute(text("INSERT INTO began VALUES (:pid, :task, :fencing)"), values)
        await asyncio.Event().wait()

    await Worker(db, [STAY.bind_run(stay)], concurrency=4).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
