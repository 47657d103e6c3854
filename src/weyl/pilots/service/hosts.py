"""Worker nodes that break their jobs: what operators are shown of them, and the alarm when a site has many."""

from datetime import datetime, timedelta
from typing import Any

from weyl.config.models import Config
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.pilots.permits import PilotScope
from weyl.pilots.queries.hosts import select_health, select_hosts_by_site
from weyl.task_queues.health import SINGLE_BELOW, Health, Standing, standing_of

ALARM_SHARE = 0.3


async def unhealthy(tx: Tx, scope: PilotScope, *, config: Config, now: datetime) -> list[dict[str, Any]]:
    """Return the hosts that get fewer jobs than they ask for, at the sites of the caller's VO; the worst first."""
    sites = [name for name, site in config.resources.sites.items() if scope.vo is None or site.serves(scope.vo)]
    rows = [
        {
            "site": site,
            "host": host,
            "score": round(health.now(now), 3),
            "standing": standing_of(health.now(now)).value,
            "since": health.at,
            "quick_failures": health.quick_failures,
            "reason": health.reason,
        }
        for site, host, health in await select_health(tx, sites)
        if standing_of(health.now(now)) is not Standing.OPEN
    ]
    return sorted(rows, key=lambda row: (row["score"], row["site"], row["host"]))


async def figures(tx: Tx) -> list[Figure]:
    """Return the share of unhealthy hosts of each site that has any, and whether that is cause for alarm."""
    now = utcnow()
    shares = {}
    for site, hosts, known in await select_hosts_by_site(tx):
        bad = sum(Health(score, now - timedelta(seconds=age_s)).now(now) < SINGLE_BELOW for score, age_s in known)
        if bad:
            shares[site] = bad / hosts
    return [
        Figure(
            "weyl_unhealthy_hosts_share",
            "Share of a site's worker nodes that break their jobs; sites without one are left out.",
            ("site",),
            [((site,), share) for site, share in shares.items()],
        ),
        Figure(
            "weyl_unhealthy_hosts_alarm",
            "1 for a site of whose worker nodes 30 % or more break their jobs.",
            ("site",),
            [((site,), 1.0) for site, share in shares.items() if share >= ALARM_SHARE],
        ),
    ]
