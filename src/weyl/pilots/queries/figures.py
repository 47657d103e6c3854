"""SQL of what operators see of pilots: those that may still do something, through the index that holds only them."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.pilots.tables import LIVE_STATUSES, pilots


class Present(NamedTuple):
    """The pilots at a place: how many have spoken of late, and how many wait and run."""

    site: str
    ce: str
    queue: str
    seen: int
    waiting: int
    running: int


async def select_live_pilots(tx: Tx) -> list[tuple[str, str, str, int]]:
    """Return VO, site, status and number of the pilots that have not ended."""
    place = (pilots.c.vo, pilots.c.grid_site, pilots.c.status)
    rows = await tx.execute(
        sa.select(*place, sa.func.count()).where(pilots.c.status.in_(LIVE_STATUSES)).group_by(*place)
    )
    return [(vo, site, status, count) for vo, site, status, count in rows]


_PRESENT = Sql(
    f"""
    -- those that drain take nothing more
    SELECT grid_site AS site, destination_site AS ce, queue, count(*) FILTER (WHERE spoke_at >= :since) AS seen,
      count(*) FILTER (WHERE status IN ('Submitted', 'Waiting')) AS waiting,
      count(*) FILTER (WHERE status = 'Running' AND drain_at IS NULL AND revoked_at IS NULL) AS running
    FROM pilots WHERE vo = :vo AND (spoke_at >= :since OR status IN {LIVE_STATUSES})
    GROUP BY grid_site, destination_site, queue
    """,
    Present,
)


async def select_present(tx: Tx, vo: str, since: datetime) -> list[Present]:
    """Return how many pilots of a VO have spoken at each place since a time, and how many wait and run now."""
    return await _PRESENT.rows(tx, vo=vo, since=since)
