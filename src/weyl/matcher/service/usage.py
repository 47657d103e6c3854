"""Shares of one process with those of all others: what is charged is written every few seconds, and totals are read."""

from collections.abc import Callable
from datetime import datetime, timedelta

from weyl.config.service import ConfigStore
from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.matcher.index import Index
from weyl.matcher.queries.looks import select_last_submitted
from weyl.matcher.shares import NOBODY, Ledger, scheduling_of
from weyl.task_queues.queries import usage as queries

FLUSH_EVERY_S = 2.0
# Clocks of processes differ a little, and a transaction that was begun first may end last.
READ_AGAIN = timedelta(seconds=60)


class Usage:
    """Keeps the ledger of a process: its rules from the configuration, its totals from the database."""

    def __init__(self, db: Database, config: ConfigStore, index: Index, *, clock: Callable[[], datetime]) -> None:
        self.ledger = Ledger(clock())
        self.follower = Follower("shares", self._exchange, every_s=FLUSH_EVERY_S)
        self._db = db
        self._config = config
        self._index = index
        self._clock = clock
        self._revision = ""
        self._read_until: datetime | None = None

    async def _exchange(self) -> None:
        """Write what was charged here and read what was charged everywhere."""
        self._configure()
        self.ledger.tick(self._clock())
        self.ledger.see_active(self._index.active_groups())
        await self.write()
        await self._read()

    async def see_ages(self) -> None:
        """Note which classes have jobs that have waited for longer than their VO wants."""
        self._configure()
        now = self._clock()
        oldest_young = {}
        async with self._db.read() as tx:
            for vo in self._config.current().config.registry:
                before = now - timedelta(seconds=self.ledger.scheduling(vo).max_age_s)
                oldest_young[vo] = await select_last_submitted(tx, before)
        self._index.mark_old(oldest_young)

    def _configure(self) -> None:
        snapshot = self._config.current()
        if snapshot.revision != self._revision:
            self.ledger.configure({vo: scheduling_of(snapshot.config, vo) for vo in snapshot.config.registry})
            self._revision = snapshot.revision

    async def write(self) -> None:
        """Write what was charged here."""
        charged, lifts = self.ledger.take_pending()
        if not charged and not lifts:
            return
        half_lives = {vo: self.ledger.scheduling(vo).half_life_s for vo, *_ in [*charged, *lifts]}
        try:
            async with self._db.transaction() as tx:
                if charged:
                    await queries.add_usage(tx, charged, half_lives=half_lives, now=self._clock())
                if lifts:
                    raised = {(vo, group, NOBODY): usage for (vo, group), usage in lifts.items()}
                    await queries.raise_usage(tx, raised, half_lives=half_lives, now=self._clock())
        except BaseException:
            self.ledger.put_back(charged, lifts)
            raise

    async def _read(self) -> None:
        now = self._clock()
        since = None if self._read_until is None else self._read_until - READ_AGAIN
        async with self._db.read() as tx:
            rows = await queries.select_usage(tx, since=since)
        self.ledger.see_usage(((row.vo, row.owner_group, row.owner), row.usage, row.at) for row in rows)
        self._read_until = now
