"""A cache with two ages: past the soft one it serves stale and refreshes behind, past the hard one it waits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog
from cachetools import LRUCache

log = structlog.get_logger(__name__)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SoftHardCache(Generic[Key, Value]):
    """Caches what `load` returns; one flight per key."""

    def __init__(
        self,
        load: Callable[[Key], Awaitable[Value]],
        *,
        soft_s: float,
        hard_s: float,
        size: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._clock = clock
        self._soft_s = soft_s
        self._hard_s = hard_s
        self._values: LRUCache[Key, tuple[float, Value]] = LRUCache(size)
        self._flights: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """Return the value of `key`; raises what `load` raises if there is none young enough."""
        entry = self._values.get(key)
        if entry is None:
            return await asyncio.shield(self._fly(key))
        age_s = self._clock() - entry[0]
        if age_s < self._soft_s:
            return entry[1]
        flight = self._fly(key)
        if age_s < self._hard_s:
            return entry[1]
        return await asyncio.shield(flight)

    def forget(self, key: Key) -> None:
        """Drop the value of `key`, so that the next reader loads it."""
        self._values.pop(key, None)

    def _fly(self, key: Key) -> "asyncio.Task[Value]":
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._load_into(key))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    async def _load_into(self, key: Key) -> Value:
        value = await self._load(key)
        self._values[key] = (self._clock(), value)
        return value

    def _land(self, key: Key, flight: "asyncio.Task[Value]") -> None:
        self._flights.pop(key, None)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.warning("cache.load_failed", key=str(key), error=str(error))
