"""Changes as they happen: each topic is read once a moment for all pages of a process, and not at all for none."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from weyl.kit.changes import Change, Feed, News, Reach
from weyl.kit.errors import BadRequest, TooManyRequests, Unavailable
from weyl.kit.following import Follower
from weyl.kit.http import User
from weyl.kit.services import Key

IDS_MAX = 500
"""That one event names."""
KEPT_MAX = 50_000
"""Changes of a topic that are kept for pages that come back."""
STREAMS_OF_ONE_MAX = 30
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Event:
    """What one page is told of one topic."""

    topic: str
    seq: int
    changed: Sequence[int | str]
    more: bool
    """More has changed than is named: what is shown should be read anew."""
    counters: Mapping[str, int]
    """How many of the changed ones stand where now."""

    def document(self) -> dict[str, Any]:
        """Return the event as it is sent."""
        return {
            "topic": self.topic,
            "seq": self.seq,
            "changed": self.changed,
            "more": self.more,
            "counters": self.counters,
        }


@dataclass(slots=True)
class Batch:
    """The changes of one look, by whose they are; what a reach sees of them is found once for all that have it."""

    number: int
    before: int
    position: int
    is_whole: bool
    parts: dict[tuple[str | None, str | None], list[Change]]
    size: int
    _seen: dict[Reach, list[Change]] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, before: int, news: News) -> "Batch":
        """Sort news by their owners."""
        parts: dict[tuple[str | None, str | None], list[Change]] = {}
        for change in news.changes:
            parts.setdefault((change.vo, change.owner), []).append(change)
        return cls(number, before, news.position, news.is_whole, parts, len(news.changes))

    def seen(self, reach: Reach) -> list[Change]:
        """Return the changes that may be known."""
        if reach not in self._seen:
            self._seen[reach] = [
                change
                for (vo, owner), changes in self.parts.items()
                if vo is None or ((reach.vo in (None, vo)) and (reach.owner in (None, owner)))
                for change in changes
            ]
        return self._seen[reach]


class Topic:
    """One feed, what it has told lately, and how many look on."""

    def __init__(self, name: str, feed: Feed, *, on_news: Callable[[], None], every_s: float) -> None:
        self.follower = Follower(f"changes of {name}", self._look, every_s=self._pause_s)
        self.feed = feed
        self._on_news = on_news
        self._every_s = every_s
        self._chance = random.Random()
        self.watchers = 0
        self.number = 0
        self.position = 0
        self.batches: deque[Batch] = deque()
        self._kept = 0
        self._lock = asyncio.Lock()

    async def join(self) -> None:
        """Look on; the first one begins, and what changed while nobody did is not known."""
        async with self._lock:
            if not self.watchers:
                self.batches.clear()
                self._kept = 0
                self.position = await self.feed.start()
            self.watchers += 1
        self.follower.wake()

    def _pause_s(self) -> float | None:
        return self._every_s * self._chance.uniform(1 - JITTER, 1 + JITTER) if self.watchers else None

    async def _look(self) -> None:
        if not self.watchers:
            return
        async with self._lock:
            before, news = self.position, await self.feed.read()
        self.position = news.position
        if not news.changes and news.is_whole:
            return
        self.number += 1
        self.batches.append(Batch.of(self.number, before, news))
        self._kept += len(news.changes)
        while self._kept > KEPT_MAX and len(self.batches) > 1:
            self._kept -= self.batches.popleft().size
        self._on_news()

    def known_since(self) -> int:
        """Return the position from which on every change is kept."""
        return self.batches[0].before if self.batches else self.position


class Watch:
    """One page that looks on: what it has been told, and what there is to tell."""

    def __init__(self, hub: "Hub", reaches: Mapping[str, Reach], since: Mapping[str, int]) -> None:
        self._hub = hub
        self.reaches = dict(reaches)
        self._told: dict[str, int] = {}
        self._missed: set[str] = set()
        self.positions: dict[str, int] = {}
        for name in reaches:
            topic = hub.topics[name]
            position = since.get(name, topic.position)
            # The same position may have come twice, the second time with what was written late: told twice at worst.
            later = [batch.number for batch in topic.batches if batch.position >= position and name in since]
            self._told[name] = later[0] - 1 if later else topic.number
            self.positions[name] = topic.position if not later else position
            if not topic.known_since() <= position <= topic.position:
                self._missed.add(name)

    async def next(self, wait_s: float) -> list[Event] | None:
        """Return what is to be told, nothing when the time is over, None when the process stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._hub.is_closed:
                    tick = self._hub.tick
                    if found := list(self._events()):
                        return found
                    await tick.wait()
        return None if self._hub.is_closed else []

    def _events(self) -> Iterator[Event]:
        for name, reach in self.reaches.items():
            topic = self._hub.topics[name]
            batches = [batch for batch in topic.batches if batch.number > self._told[name]]
            if topic.batches and topic.batches[0].number > self._told[name] + 1:
                self._missed.add(name)
            self._told[name] = topic.number
            self.positions[name] = topic.position
            found = {change.id: change.state for batch in batches for change in batch.seen(reach)}
            is_whole = name not in self._missed and all(batch.is_whole for batch in batches)
            self._missed.discard(name)
            if found or not is_whole:
                counters = Counter(state for state in found.values() if state)
                changed = list(found)[:IDS_MAX]
                more = len(found) > IDS_MAX or not is_whole
                yield Event(name, topic.position, changed, more, counters)


class Hub:
    """Fans changes out to the open pages of one process."""

    def __init__(self, feeds: Mapping[str, Feed], *, every_s: float, streams_max: int) -> None:
        self.topics = {name: Topic(name, feed, on_news=self._tell, every_s=every_s) for name, feed in feeds.items()}
        self.followers = tuple(topic.follower for topic in self.topics.values())
        self.every_s = every_s
        self.is_closed = False
        self.tick = asyncio.Event()
        self._streams_max = streams_max
        self._streams: Counter[str] = Counter()

    async def __aenter__(self) -> "Hub":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all streams: the process is about to stop."""
        self.is_closed = True
        self.tick.set()

    def reaches(self, user: User, names: Sequence[str]) -> dict[str, Reach]:
        """Return how far a person may see in each topic; raises for a topic that is none, or not for them."""
        for name in names:
            if name not in self.topics:
                raise BadRequest(f"There is no topic {name!r}; the topics are {', '.join(self.topics)}")
        return {name: self.topics[name].feed.reach(user) for name in names}

    def admit(self, who: str) -> None:
        """Raise if one more page of this person cannot be told of changes now."""
        if self.is_closed or self._streams.total() >= self._streams_max:
            raise Unavailable("Too many pages are told of changes as they happen: ask now and then instead")
        if self._streams[who] >= STREAMS_OF_ONE_MAX:
            raise TooManyRequests(f"{STREAMS_OF_ONE_MAX} of your pages are open already: close some", retry_after_s=60)

    @asynccontextmanager
    async def watching(self, who: str, reaches: Mapping[str, Reach], since: Mapping[str, int]) -> AsyncIterator[Watch]:
        """Look on for the length of the block."""
        self.admit(who)
        self._streams[who] += 1
        joined: list[str] = []
        try:
            for name in reaches:
                await self.topics[name].join()
                joined.append(name)
            yield Watch(self, reaches, since)
        finally:
            for name in joined:
                self.topics[name].watchers -= 1
            self._streams -= Counter([who])

    def _tell(self) -> None:
        """Let every page look whether there is something for it."""
        if not self.is_closed:
            self.tick.set()
            self.tick = asyncio.Event()


HUB: Key[Hub] = Key("the hub of changes")
