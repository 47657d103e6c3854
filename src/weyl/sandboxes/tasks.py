"""Background work on sandboxes: checking what was uploaded, repacking, and removing what nobody needs."""

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.s3 import ObjectStore
from weyl.kit.task import BoundTask
from weyl.sandboxes import service


def tasks(db: Database, store: ObjectStore, *, unassigned_days: float, on_broken: service.OnBroken) -> list[BoundTask]:
    """Return the room's tasks; `on_broken` fails the jobs that need a sandbox which is wrong or missing."""

    async def verify(sandbox_id: int) -> None:
        await service.verify(db, store, sandbox_id=sandbox_id, on_broken=on_broken)

    async def repack(sandbox_id: int) -> None:
        await service.repack(db, store, sandbox_id=sandbox_id)

    async def clean(_: None) -> None:
        await service.clean(db, store, unassigned_days=unassigned_days, now=utcnow())

    return [service.VERIFY.bind(verify), service.REPACK.bind(repack), service.CLEAN.bind(clean)]
