"""Background work of the file catalogue: sums are folded and checked, old rows dropped, partitions made in time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from weyl.config.service import ConfigStore
from weyl.file_catalog.queries import directories, upkeep
from weyl.file_catalog.queries.usage import has_deltas
from weyl.file_catalog.service import usage
from weyl.file_catalog.service.fields import METADATA, do_batch
from weyl.file_catalog.service.orders import BULK, bulk_handler
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import ensure_month_partitions
from weyl.kit.task import BoundTask, Task
from weyl.tasks.operations import in_batches

FOLD = Task("file_catalog.fold", every=timedelta(seconds=10), lock="file_catalog.fold")
RECOUNT = Task("file_catalog.recount", cron="20 3 * * *", lock="file_catalog.recount", size="large")
HOUSEKEEPING = Task("file_catalog.housekeeping", every=timedelta(hours=1), lock="file_catalog.housekeeping")

OUTBOX_KEPT = timedelta(days=1)
"""Nothing reads the outbox yet."""
BATCH = 1_000


def tasks(db: Database, config: ConfigStore) -> Sequence[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def fold(_: object) -> None:
        await usage.fold_all(db)

    async def recount(_: object) -> None:
        await usage.check(db)

    async def keep_house(_: object) -> None:
        await tidy(db)

    async def is_needed(tx: Any) -> bool:
        return await has_deltas(tx)

    return [
        FOLD.bind(fold, is_needed=is_needed),
        RECOUNT.bind(recount),
        HOUSEKEEPING.bind(keep_house),
        METADATA.bind_run(in_batches(db, do_batch)),
        BULK.bind_run(in_batches(db, bulk_handler(config))),
    ]


async def tidy(db: Database) -> None:
    """Make the partitions of the months to come, drop old rows of the outbox, and hidden directories that are empty."""
    now = utcnow()
    async with db.transaction() as tx:
        for table in upkeep.BY_MONTH:
            await ensure_month_partitions(tx, table, now)
    done = BATCH
    while done == BATCH:
        async with db.transaction() as tx:
            done = await upkeep.delete_outbox(tx, before=now - OUTBOX_KEPT, limit=BATCH)
    dropped: list[int] = [0]
    while dropped:
        async with db.transaction() as tx:
            dropped = await directories.hold_hollow(tx, before=now, limit=BATCH)
            if dropped:
                await directories.delete_directories(tx, dropped)
