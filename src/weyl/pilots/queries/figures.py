"""SQL of what operators see of pilots: those that may still do something, through the index that holds only them."""

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.pilots.tables import LIVE_STATUSES, pilots


async def select_live_pilots(tx: Tx) -> list[tuple[str, str, str, int]]:
    """Return VO, site, status and number of the pilots that have not ended."""
    place = (pilots.c.vo, pilots.c.grid_site, pilots.c.status)
    rows = await tx.execute(
        sa.select(*place, sa.func.count()).where(pilots.c.status.in_(LIVE_STATUSES)).group_by(*place)
    )
    return [(vo, site, status, count) for vo, site, status, count in rows]
