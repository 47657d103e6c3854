"""A worker in a process of its own that dies in the middle of an order: after so many batches, one is half done.

python -m tests.jobs.bulk_worker DATABASE_URL CONFIG_URL BATCHES
"""

import asyncio
import os
import signal
import sys

from weyl.config.service import ConfigStore
from weyl.jobs.service.bulk import BULK, bulk_handler
from weyl.kit.db import Database, Tx
from weyl.tasks.engine import Worker
from weyl.tasks.operations import Batch, BatchOutcome, in_batches


async def run(database_url: str, config_url: str, batches: int) -> None:
    """Work until killed by ourselves, with everything of a batch written and nothing committed."""
    db, config = Database(database_url, pool_size=2), ConfigStore(config_url)
    await config.start()
    handler, begun = bulk_handler(config, ()), 0

    async def die_in_the_middle(tx: Tx, batch: Batch) -> BatchOutcome:
        nonlocal begun
        begun += 1
        outcome = await handler(tx, batch)
        if begun > batches:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    await Worker(db, [BULK.bind_run(in_batches(db, die_in_the_middle))]).run()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
