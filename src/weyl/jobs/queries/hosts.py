"""SQL of the health of hosts: a row for each on which something went wrong lately."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.task_queues.health import Health

Host = tuple[str, str]

_LOCK = Sql(
    """
    SELECT site, host, score, at, quick_failures, quick_owner, reason FROM host_health
    JOIN unnest(CAST(:sites AS text[]), CAST(:hosts AS text[])) AS wanted (site, host) USING (site, host)
    ORDER BY site, host FOR UPDATE OF host_health
    """,
    tuple[str, str, float, datetime, int, str | None, str],
)
_WRITE = Sql(
    """
    INSERT INTO host_health (site, host, score, at, quick_failures, quick_owner, reason)
    SELECT * FROM unnest(CAST(:sites AS text[]), CAST(:hosts AS text[]), CAST(:scores AS float8[]),
        CAST(:times AS timestamptz[]), CAST(:quick AS integer[]), CAST(:owners AS text[]), CAST(:reasons AS text[]))
      AS seen (site, host, score, at, quick_failures, quick_owner, reason) ORDER BY site, host
    ON CONFLICT (site, host) DO UPDATE SET score = excluded.score, at = excluded.at,
      quick_failures = excluded.quick_failures, quick_owner = excluded.quick_owner, reason = excluded.reason
    """
)
_FORGET = Sql("DELETE FROM host_health WHERE at < :before")


async def lock_health(tx: Tx, hosts: Sequence[Host]) -> dict[Host, Health]:
    """Lock what is known of hosts (site, name), in order; of most of them nothing is."""
    rows = await _LOCK.rows(tx, sites=[site for site, _ in hosts], hosts=[host for _, host in hosts])
    return {row[:2]: Health(*row[2:]) for row in rows}


async def write_health(tx: Tx, changed: Mapping[Host, Health]) -> None:
    """Keep the health of hosts."""
    await _WRITE.run(
        tx,
        sites=[site for site, _ in changed],
        hosts=[host for _, host in changed],
        scores=[health.score for health in changed.values()],
        times=[health.at for health in changed.values()],
        quick=[health.quick_failures for health in changed.values()],
        owners=[health.quick_owner for health in changed.values()],
        reasons=[health.reason for health in changed.values()],
    )


async def forget_health(tx: Tx, *, before: datetime) -> None:
    """Forget hosts on which nothing has ended since."""
    await _FORGET.run(tx, before=before)
