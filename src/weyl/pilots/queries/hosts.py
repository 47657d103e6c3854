"""SQL of the health of worker nodes, as operators see it."""

from collections.abc import Collection

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.task_queues.health import Health
from weyl.task_queues.tables import host_health

_HEALTH = ("score", "at", "quick_failures", "quick_owner", "reason")
_SHARES = Sql(
    """
    -- hosts of pilots that run, and those that are known for their failures, each once
    SELECT site, count(*) AS hosts, array_agg(score) FILTER (WHERE score IS NOT NULL) AS scores,
      array_agg(CAST(extract(epoch FROM now() - at) AS float8)) FILTER (WHERE score IS NOT NULL) AS ages_s
    FROM (
      SELECT coalesce(p.site, h.site) AS site, h.score, h.at
      FROM (SELECT DISTINCT grid_site AS site, host FROM pilots WHERE status = 'Running' AND host IS NOT NULL) p
      FULL JOIN host_health h ON h.site = p.site AND h.host = p.host
    ) seen
    GROUP BY site
    """,
    tuple[str, int, list[float] | None, list[float] | None],
)


async def select_health(tx: Tx, sites: Collection[str]) -> list[tuple[str, str, Health]]:
    """Return what is known of hosts of these sites, the worst first."""
    statement = (
        sa.select(host_health.c.site, host_health.c.host, *(host_health.c[name] for name in _HEALTH))
        .where(host_health.c.site == sa.any_(sa.literal(list(sites), sa.ARRAY(sa.Text))))
        .order_by(host_health.c.score, host_health.c.site, host_health.c.host)
    )
    return [(site, host, Health(*health)) for site, host, *health in await tx.execute(statement)]


async def select_hosts_by_site(tx: Tx) -> list[tuple[str, int, list[tuple[float, float]]]]:
    """Return for each site how many hosts it has, and score and age (s) of those that are known for failures."""
    rows = await _SHARES.rows(tx)
    return [(site, hosts, list(zip(scores or (), ages_s or (), strict=True))) for site, hosts, scores, ages_s in rows]
