"""SQL of what operators see of pilots: those that may still do something, through the index that holds only them."""

from datetime import datetime

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.matcher.offers import Place
from weyl.pilots.tables import LIVE_STATUSES, pilots


async def select_live_pilots(tx: Tx) -> list[tuple[str, str, str, int]]:
    """Return VO, site, status and number of the pilots that have not ended."""
    place = (pilots.c.vo, pilots.c.grid_site, pilots.c.status)
    rows = await tx.execute(
        sa.select(*place, sa.func.count()).where(pilots.c.status.in_(LIVE_STATUSES)).group_by(*place)
    )
    return [(vo, site, status, count) for vo, site, status, count in rows]


async def count_pilots(tx: Tx, vo: str, since: datetime) -> dict[Place, int]:
    """Return how many pilots of a VO have spoken at each place since a time."""
    place = (pilots.c.grid_site, pilots.c.destination_site, pilots.c.queue)
    rows = await tx.execute(
        sa.select(*place, sa.func.count()).where(pilots.c.vo == vo, pilots.c.spoke_at >= since).group_by(*place)
    )
    return {Place(vo, site, ce, queue): count for site, ce, queue, count in rows}
