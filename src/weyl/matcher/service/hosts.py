"""What one process knows of hosts on which jobs have failed."""

from collections.abc import Callable
from datetime import datetime

from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.matcher.queries import looks as queries
from weyl.task_queues.health import CHANNEL, Health, Standing, standing_of

# Notices come at once; this is for those that got lost.
LOOK_EVERY_S = 15.0


class Hosts:
    """The hosts that may not get all that they ask for; they recover here, too, as time passes."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime]) -> None:
        self.follower = Follower("host health", self._read, every_s=LOOK_EVERY_S, db=db, channel=CHANNEL)
        self._db = db
        self._clock = clock
        self._known: dict[tuple[str, str], Health] = {}

    def standing(self, site: str, host: str) -> Standing:
        """Return what a host may get now."""
        health = self._known.get((site, host))
        return Standing.OPEN if health is None else standing_of(health.now(self._clock()))

    def count_unhealthy(self, site: str) -> int:
        """Return how many hosts of a site get one job at a time, or none."""
        return sum(self.standing(*key) is not Standing.OPEN for key in self._known if key[0] == site)

    async def may_start(self, site: str, host: str) -> bool:
        """Tell whether a host that gets one job at a time has none."""
        async with self._db.read() as tx:
            return await queries.count_on_host(tx, site, host) == 0

    async def _read(self) -> None:
        async with self._db.read() as tx:
            self._known = await queries.select_unhealthy(tx)
