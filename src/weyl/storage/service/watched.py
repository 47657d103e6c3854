"""How storage elements have been doing in this process: each answer and each fault of a driver is noted."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from weyl.kit.clock import utcnow
from weyl.storage.drivers.driver import Entry, Request, Space, Stat, StorageDriver, Wish
from weyl.storage.errors import AlreadyThere, NotThere, StorageError

T = TypeVar("T")

# What an element answers that is well.
_ANSWERS = (NotThere, AlreadyThere)


@dataclass(slots=True)
class Health:
    """What this process has seen of a storage element since it started."""

    answered_at: datetime | None = None
    failed_at: datetime | None = None
    fault: str | None = None
    failures: int = 0
    """Faults since the last answer."""

    @property
    def state(self) -> str:
        """Return `unknown`, `ok` or `failing`."""
        if self.failures:
            return "failing"
        return "unknown" if self.answered_at is None else "ok"

    def note(self, error: StorageError | None) -> None:
        """Note an answer, or the fault in place of one."""
        if error is None or isinstance(error, _ANSWERS):
            self.answered_at, self.failures = utcnow(), 0
        else:
            self.failed_at, self.fault, self.failures = utcnow(), str(error.detail)[:500], self.failures + 1


class WatchedDriver:
    """A driver whose answers are noted."""

    def __init__(self, driver: StorageDriver, health: Health, count: Callable[[str], None]) -> None:
        self._driver, self._health, self._count = driver, health, count

    async def stat(self, paths: Sequence[str]) -> dict[str, Stat]:
        """Return what the driver does."""
        return await self._noted(self._driver.stat(paths))

    @asynccontextmanager
    async def read(self, path: str, *, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read as the driver does."""
        try:
            async with self._driver.read(path, offset=offset) as chunks:
                yield chunks
        except StorageError as error:
            self._note(error)
            raise
        self._note(None)

    async def write(self, path: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        """Write as the driver does."""
        await self._noted(self._driver.write(path, chunks, size=size, sha256=sha256))

    async def delete(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete as the driver does."""
        return await self._noted(self._driver.delete(paths))

    async def list(self, under: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Entry]:
        """Return what the driver does."""
        return await self._noted(self._driver.list(under, after=after, limit=limit))

    async def request(self, path: str, wish: Wish) -> Request:
        """Return what the driver does; most of them are made without asking anybody, so that they say nothing."""
        try:
            return await self._driver.request(path, wish)
        except StorageError as error:
            self._note(error)
            raise

    async def complete(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Complete as the driver does."""
        await self._noted(self._driver.complete(path, upload, etags))

    async def space(self) -> Space | None:
        """Return what the driver does, which says nothing of the door: most of them cannot tell."""
        return await self._driver.space()

    async def _noted(self, work: Awaitable[T]) -> T:
        try:
            result = await work
        except StorageError as error:
            self._note(error)
            raise
        self._note(None)
        return result

    def _note(self, error: StorageError | None) -> None:
        self._health.note(error)
        self._count("ok" if error is None else error.word)
