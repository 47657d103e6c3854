"""Keeps the time of a process by the database's clock: nothing is misjudged where a machine's clock is wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from weyl.kit.clock import Anchor, go_by, machine_ahead_s, utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.following import Follower, following

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0
LOOK_TIMEOUT_S = 5.0
# An answer that was long under way says little; unless we know nothing at all.
ROUND_TRIP_MAX_S = 1.0
# Of some answers the quickest says most: by half of its way we may be wrong.
QUESTIONS = 3
# Below this we do not correct ourselves.
PRECISION_S = 0.005
AHEAD_MAX_S = 5.0


@asynccontextmanager
async def keeping_time(db: Database) -> AsyncIterator[Follower]:
    """Go by the database's clock for the length of the block; without the database, go on from what was known."""
    follower = Follower("clock", Timekeeper(db).look, every_s=LOOK_EVERY_S)
    try:
        async with following(follower):
            yield follower
    finally:
        go_by(None)


class Timekeeper:
    """Asks the database what time it is."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._knows = False

    async def look(self) -> None:
        """Ask once, and correct ourselves if need be."""
        async with asyncio.timeout(LOOK_TIMEOUT_S), self._db.read() as tx:
            round_trip_s, began, at = min([await _ask(tx) for _ in range(QUESTIONS)])
        now = at + timedelta(seconds=round_trip_s / 2)
        wrong_by_s = abs((now - utcnow()).total_seconds())
        if self._knows and (round_trip_s > ROUND_TRIP_MAX_S or wrong_by_s < max(PRECISION_S, round_trip_s)):
            return
        go_by(Anchor(now, began + round_trip_s))
        if not self._knows or wrong_by_s > 1:
            say = log.warning if abs(machine_ahead_s()) > AHEAD_MAX_S else log.debug
            say("clock.set_by_database", machine_ahead_s=round(machine_ahead_s(), 3))
        self._knows = True


async def _ask(tx: Tx) -> tuple[float, float, datetime]:
    """Return how long the question was under way, since when, and the time that it was told."""
    began = time.monotonic()
    at = await tx.scalar(_NOW)
    assert at is not None
    return time.monotonic() - began, began, at


_NOW = text("SELECT clock_timestamp()")


async def judge_clock() -> list[str]:
    """Return a warning if the machine's clock is far from ours."""
    ahead_s = machine_ahead_s()
    if abs(ahead_s) <= AHEAD_MAX_S:
        return []
    side = "ahead of" if ahead_s > 0 else "behind"
    return [f"This machine's clock is {abs(ahead_s):.0f} s {side} the database's: weyl goes by the database's; set it"]
