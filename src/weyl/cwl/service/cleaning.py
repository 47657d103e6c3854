"""Removes workflows that nobody has used for long."""

from datetime import datetime, timedelta

from weyl.cwl.queries import cleaning as queries
from weyl.kit.db import Database
from weyl.kit.task import Task

UNUSED_KEPT = timedelta(days=90)
FAILURE_KEPT = timedelta(hours=1)
BATCH = 500

CLEAN = Task("cwl.clean", every=timedelta(days=1), lock="cwl.clean")


async def clean(db: Database, *, now: datetime) -> int:
    """Remove what was not used for 90 days and no job's description names; returns how many bundles VOs have lost."""
    async with db.transaction() as tx:
        await queries.delete_failed_compilations(tx, before=now - FAILURE_KEPT)
    removed = 0
    while True:
        async with db.transaction() as tx:
            await queries.lock_storing(tx)
            taken = await queries.delete_unused_access(tx, before=now - UNUSED_KEPT, most=BATCH)
            if taken:
                await queries.delete_orphans(tx)
        removed += taken
        if taken < BATCH:
            return removed
