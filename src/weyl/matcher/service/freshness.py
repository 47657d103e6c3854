"""Keeps the index of one process near the truth: notices within milliseconds, and a sweep for those that got lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.matcher.entries import Entry
from weyl.matcher.index import Index
from weyl.task_queues.queries import classes as task_queues
from weyl.task_queues.service import CHANNEL

SWEEP_EVERY_S = 15.0
# Sweeps after which a class without jobs leaves the index; it comes back with its next job.
IDLE_SWEEPS_MAX = 40
CORRECTED_AT_ONCE = 500
CLASSES_READ_AT_ONCE = 2_000


class Freshness:
    """Feeds one index from notices and sweeps, and tells who has news."""

    def __init__(
        self,
        db: Database,
        index: Index,
        *,
        on_news: Callable[[Sequence[Entry]], None],
        on_sweep: Callable[[], Awaitable[None]],
        sweep_every_s: float = SWEEP_EVERY_S,
    ) -> None:
        self.heard = 0
        """Counts everything that may have given the index a class; a miss is as old as the count it was found at."""
        self._db = db
        self._index = index
        self._on_news = on_news
        self._on_sweep = on_sweep
        self._unknown: set[int] = set()
        self.queue = Follower("queue", self._sweep, every_s=sweep_every_s, db=db, channel=CHANNEL, hear=self._hear)
        self.classes = Follower("requirement classes", self._load_unknown, every_s=None)
        """Reads the classes that notices have named and that are not in the index yet."""

    def _hear(self, payload: str) -> None:
        known = []
        for word in payload.split(","):
            if not word.isdecimal():
                continue
            entry = self._index.get(int(word))
            if entry is None:
                self._unknown.add(int(word))
                continue
            self._note_news(entry)
            known.append(entry)
        self.heard += 1
        if known:
            self._on_news(known)
        if self._unknown:
            self.classes.wake()

    def _note_news(self, entry: Entry) -> None:
        entry.notices += 1
        entry.floor, entry.waiting, entry.idle_sweeps = 0, None, 0
        self._index.activate(entry)

    async def _load_unknown(self) -> None:
        wanted, self._unknown = self._unknown, set()
        # a sweep may have brought them before it could see the jobs of which the notice told
        entries = [entry for entry in map(self._index.get, wanted) if entry is not None]
        for entry in entries:
            self._note_news(entry)
        try:
            entries += await self._add(wanted - {entry.class_id for entry in entries})
        except BaseException:
            self._unknown |= wanted
            raise
        self.tell(entries)

    async def _add(
        self, class_ids: set[int], heads: dict[int, int] | None = None, waiting: dict[int, int] | None = None
    ) -> list[Entry]:
        """Read classes into the index, a portion at a time: a document takes ten times the room of what is kept."""
        ids, added = sorted(class_ids), []
        for first in range(0, len(ids), CLASSES_READ_AT_ONCE):
            portion = ids[first : first + CLASSES_READ_AT_ONCE]
            async with self._db.read() as tx:
                documents = await task_queues.select_classes(tx, portion)
                found = await task_queues.select_heads_of(tx, portion) if heads is None else heads
            # added in the order of their numbers: bits are then in the order of age
            entries = self._index.add(dict(sorted(documents.items())))
            for entry in entries:
                self._index.set_head(entry, found.get(entry.class_id, 0))
                entry.waiting = None if waiting is None else waiting.get(entry.class_id)
            added += entries
        return added

    async def _sweep(self) -> None:
        """Take the heads of all classes as the truth, except where a notice came while they were read."""
        before = {entry.class_id: entry.notices for entry in self._index.entries()}
        active = {entry.class_id for entry in self._index.entries() if entry.is_in_line}
        async with self._db.read() as tx:
            heads = await task_queues.select_heads(tx)
            waiting = await task_queues.select_waiting(tx)
        unknown = heads.keys() - before.keys()
        news = await self._add(unknown, heads, waiting) if unknown else []
        for number, entry in enumerate(list(self._index.entries()), start=1):
            has_jobs = before.get(entry.class_id) == entry.notices and self._correct(entry, heads, waiting)
            # one that a claim has left out meanwhile may be empty: it is looked into, and wakes nobody
            if has_jobs and entry.class_id not in active:
                news.append(entry)
            if number % CORRECTED_AT_ONCE == 0:
                await asyncio.sleep(0)  # pilots are answered in between
        self.tell(news)
        await self._on_sweep()

    def _correct(self, entry: Entry, heads: dict[int, int], waiting: dict[int, int]) -> bool:
        """Bring one entry up to date; says whether jobs turned up that nobody had told of."""
        head = heads.get(entry.class_id)
        if head is None:
            self._index.deactivate(entry)
            entry.idle_sweeps += 1
            if entry.idle_sweeps > IDLE_SWEEPS_MAX:
                self._index.retire(entry.class_id)
            return False
        was_active = self._index.is_active(entry)
        self._index.set_head(entry, head)
        entry.idle_sweeps = 0
        entry.floor = min(entry.floor, head)
        count = waiting.get(entry.class_id)
        # those that are just being claimed are counted or not; they are taken off once the claim is through
        entry.waiting = None if count is None else count + entry.under_way
        self._index.activate(entry)
        return not was_active

    def tell(self, entries: Sequence[Entry]) -> None:
        """Let those who wait know of jobs that nobody has told of."""
        if entries:
            self.heard += 1
            self._on_news(entries)
