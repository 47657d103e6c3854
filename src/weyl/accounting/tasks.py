"""Background work of accounting: sums are folded, the load is sampled, partitions made in time, old months dropped."""

from collections.abc import Sequence
from datetime import timedelta

from weyl.accounting import queries
from weyl.kit.bisection import bisect
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import drop_month_partitions, ensure_month_partitions, month_start
from weyl.kit.task import BoundTask, Task

FOLD = Task("accounting.fold", every=timedelta(seconds=30), lock="accounting.fold")
SAMPLE = Task("accounting.sample", every=queries.SAMPLED_EVERY, lock="accounting.sample")
HOUSEKEEPING = Task("accounting.housekeeping", every=timedelta(hours=6), lock="accounting.housekeeping")
SAMPLES_KEPT = timedelta(days=2)


def tasks(db: Database, *, record_months: int) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def fold(_: object) -> None:
        for kind in queries.KINDS:
            await _fold(db, kind)

    async def keep_house(_: object) -> None:
        now = utcnow()
        for kind in queries.KINDS:
            async with db.transaction() as tx:
                await ensure_month_partitions(tx, kind.records.name, now)
            async with db.transaction() as tx:
                await drop_month_partitions(tx, kind.records.name, month_start(now, -record_months))
        async with db.transaction() as tx:
            await queries.delete_samples(tx, before=now - SAMPLES_KEPT)

    async def sample(_: object) -> None:
        async with db.transaction() as tx:
            await queries.insert_samples(tx, now=utcnow())

    return [FOLD.bind(fold), SAMPLE.bind(sample), HOUSEKEEPING.bind(keep_house)]


async def _fold(db: Database, kind: queries.Kind) -> None:
    async def of_vos(vos: Sequence[str]) -> int:
        async with db.transaction() as tx:
            await queries.fold(tx, kind, vos)
        return len(vos)

    async with db.read() as tx:
        vos = await queries.select_fresh_vos(tx, kind)
    await bisect(vos, of_vos, event=f"accounting.{kind.name}s_not_folded")
