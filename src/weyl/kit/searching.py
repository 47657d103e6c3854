"""Keeps searches from taking the database away from everything else: each has its time, slow ones few places."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weyl.kit.db import Database, Tx
from weyl.kit.errors import BadRequest, Unavailable
from weyl.kit.services import Key

WAIT_S = 5.0
"""How long a slow search waits for a place."""
WAITING_MAX = 100


class Places:
    """A number of places of which nobody gets more than half, given in the order of asking."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._each_max = math.ceil(number / 2)
        self._taken: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def place(self, who: str, *, wait_s: float = WAIT_S) -> AsyncIterator[None]:
        """Hold a place for the length of the block; raises `Unavailable` if none gets free in time."""
        if self._is_free(who):
            self._taken[who] += 1
        else:
            await self._wait(who, wait_s)
        try:
            yield
        finally:
            self._leave(who)

    async def _wait(self, who: str, wait_s: float) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise _no_place()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((who, turn))
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave(who)  # it came in the moment in which we stopped to wait for it
            self._waiting = deque(each for each in self._waiting if each[1] is not turn)
            if isinstance(error, TimeoutError):
                raise _no_place() from None
            raise

    def _is_free(self, who: str) -> bool:
        return self._taken.total() < self._number and self._taken[who] < self._each_max

    def _leave(self, who: str) -> None:
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]
        for _ in range(len(self._waiting)):
            waiting, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._is_free(waiting):
                self._taken[waiting] += 1
                turn.set_result(None)
            else:
                self._waiting.append((waiting, turn))


def _no_place() -> Unavailable:
    return Unavailable(
        "Too many searches that no index serves are under way: wait, or search by id, status, owner or group",
        retry_after_s=round(WAIT_S),
    )


class SearchDesk:
    """Gives searches their connection: for a limited time, and few at once to those that may look at every row."""

    def __init__(self, db: Database, *, timeout_s: float, scans_max: int) -> None:
        self._db = db
        self._timeout_s = timeout_s
        self._places = Places(scans_max)

    @asynccontextmanager
    async def connection(self, who: str, *, is_scan: bool) -> AsyncIterator[Tx]:
        """Open a connection for reads; what is still running when the time is over is cancelled in the database."""
        if not is_scan:
            async with self._limited() as tx:
                yield tx
            return
        async with self._places.place(who), self._limited() as tx:
            yield tx

    @asynccontextmanager
    async def _limited(self) -> AsyncIterator[Tx]:
        limit = asyncio.timeout(self._timeout_s)
        try:
            # Not around the wait for a connection: that it takes long is no fault of the search.
            async with self._db.read() as tx, limit:
                yield tx
        except TimeoutError:
            if not limit.expired():
                raise
            raise BadRequest("The search took too long: add conditions, or make the pattern simpler") from None


SEARCHES: Key[SearchDesk] = Key("the places of searches")
