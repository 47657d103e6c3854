"""The figures of pilots for operators."""

from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.pilots.queries.figures import count_pilots, select_live_pilots

__all__ = ["count_pilots", "figures"]


async def figures(tx: Tx) -> list[Figure]:
    """Return the pilots that have not ended by VO, site and status."""
    rows = [((vo, site, status), float(count)) for vo, site, status, count in await select_live_pilots(tx)]
    meaning = "Pilots that have not ended, by VO, site and status."
    return [Figure("weyl_pilots", meaning, ("vo", "site", "status"), rows)]
