"""Background work of the auth room: partitions for the logins to come, and the end of those that have passed."""

from datetime import timedelta

import structlog

from weyl.auth.queries.sessions import delete_dead_sessions
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.partitions import drop_month_partitions, ensure_month_partitions
from weyl.kit.task import BoundTask, Task

PARTITIONS = Task("auth.partitions", every=timedelta(hours=6), lock="auth.partitions")
SESSIONS = Task("auth.sessions", every=timedelta(hours=1), lock="auth.sessions")

# Flows lie in the month in which they began, refresh tokens in the one in which they end, up to a year from now.
FLOWS = ("device_flows", "authorization_flows")
REFRESH_TOKENS = "refresh_tokens"
MONTHS_AHEAD = {**dict.fromkeys(FLOWS, 2), REFRESH_TOKENS: 14}
KEPT = {**dict.fromkeys(FLOWS, timedelta(days=2)), REFRESH_TOKENS: timedelta(days=1)}

log = structlog.get_logger(__name__)


def tasks(db: Database, *, session_idle_minutes: int) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database."""

    async def partitions(_: object) -> None:
        now = utcnow()
        for table, ahead in MONTHS_AHEAD.items():
            # A transaction each: the lock on one table is held for a moment only.
            async with db.transaction() as tx:
                await ensure_month_partitions(tx, table, now, ahead=ahead)
                dropped = await drop_month_partitions(tx, table, now - KEPT[table])
            if dropped:
                log.info("partitions_dropped", table=table, partitions=dropped)

    async def sessions(_: object) -> None:
        async with db.transaction() as tx:
            ended = await delete_dead_sessions(tx, now=utcnow(), idle=timedelta(minutes=session_idle_minutes))
        if ended:
            log.info("browser_sessions_ended", sessions=ended)

    return [PARTITIONS.bind(partitions), SESSIONS.bind(sessions)]
