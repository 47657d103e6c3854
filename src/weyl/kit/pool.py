"""The connections of a process between their uses: lent, begun, ended, and dropped when PostgreSQL has closed them."""

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from weyl.kit.errors import WeylError

log = structlog.get_logger(__name__)

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises; the last one too where a connection ends between two of its steps."""
_GONE = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
LOST = (OSError, *_GONE, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
"""What is raised where a connection breaks under a statement: nobody can tell here whether it was done."""

ROLLBACK_TIMEOUT_S = 5.0
PLACE_TIMEOUT_S = 10.0
"""How long anybody waits for a connection while all are in use."""
# The event loop reads the end of a connection and tells the driver of it in a few turns.
_TURNS_TO_READ = 5


class CommitInDoubt(WeylError):
    """The connection broke while a transaction was committed: nobody can tell here whether it was.

    Not 503, which says that nothing was done: what must not be done twice is not to be repeated without looking.
    """

    status = 504

    def __init__(self) -> None:
        super().__init__("The database was lost in the middle: look whether this was done before you repeat it")


class Connections:
    """At most `opened_max` connections, lent in the order of asking; some stay checked out of the pool between uses.

    Checking one out and in again, with greenlets, events and a reset of what is not set, takes SQLAlchemy twice as
    long as a read of one row; more than `kept_max` at a time go that way. Nobody waits for SQLAlchemy's pool: who comes
    just when a connection is back has it before those who wait are woken, and some waited for seconds.
    """

    def __init__(self, engine: AsyncEngine, *, kept_max: int, opened_max: int) -> None:
        self._engine = engine
        self._kept_max = kept_max
        self._opened_max = opened_max
        self._idle: list[AsyncConnection] = []
        self._places = asyncio.Semaphore(opened_max)
        self.in_use = 0

    @asynccontextmanager
    async def lent(self, opening: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Lend a connection, and begin a transaction on it if `opening`, a read or a lock, is given, in one round trip.

        One that was used when something failed goes back to the pool, which resets it. Raises `TimeoutError` if all
        are in use for longer than `PLACE_TIMEOUT_S`.
        """
        await self._enter()
        self.in_use += 1
        try:
            connection = await self._take() if opening is None else await self._begin(opening)
            driver = driver_of(connection)  # now: of one that SQLAlchemy gave up there is none to be had
            try:
                yield connection
                if driver.is_in_transaction():
                    # A BEGIN of somebody before arrived late, and with it all of this would be lost unseen.
                    raise ConnectionError("The connection was left in a transaction")
                if connection.in_transaction():  # what SQLAlchemy calls so in autocommit: nothing is sent
                    await connection.rollback()
            except BaseException as error:
                is_doubtful = isinstance(error, TimeoutError | asyncio.CancelledError)
                await asyncio.shield(asyncio.ensure_future(_give_back(connection, driver, is_doubtful=is_doubtful)))
                raise
            if len(self._idle) < self._kept_max:
                self._idle.append(connection)
            else:
                await connection.close()
        finally:
            self.in_use -= 1
            self._places.release()

    async def close(self) -> None:
        """Give back what is kept."""
        while self._idle:
            await self._idle.pop().close()

    async def _enter(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(PLACE_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError:
            raise TimeoutError(f"all {self._opened_max} connections are in use, for {PLACE_TIMEOUT_S:g} s") from None

    async def _begin(self, opening: str) -> AsyncConnection:
        """Take a connection and begin a transaction on it.

        PostgreSQL may have closed a kept connection and nobody have noticed yet. What does nothing can be sent again
        on another one, until all that were kept are used up and a new one is opened.
        """
        for _ in range(self._opened_max):
            connection = await self._take()
            driver = driver_of(connection)
            try:
                await driver.execute(f"BEGIN; {opening}")
            except _GONE:
                await _give_back(connection, driver)
                continue
            except BaseException:
                # BEGIN may still arrive: whoever used the connection next would be in a transaction that nobody ends.
                await asyncio.shield(asyncio.ensure_future(_give_back(connection, driver, is_doubtful=True)))
                raise
            return connection
        raise ConnectionError("PostgreSQL closes every connection at once")

    async def _open(self) -> AsyncConnection:
        try:
            return await self._engine.connect()
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            # No socket where a stopped PostgreSQL had one, no route to its host: it is away all the same.
            raise ConnectionError(f"PostgreSQL cannot be reached: {error}") from error

    async def _take(self) -> AsyncConnection:
        """Return a connection that PostgreSQL has not closed, as far as this machine knows."""
        for _ in range(self._opened_max):
            connection = self._idle.pop() if self._idle else await self._open()
            driver = driver_of(connection)
            if not await _is_closed(driver) and not driver.is_in_transaction():
                return connection
            await _give_back(connection, driver)
        return await self._open()


async def _is_closed(driver: asyncpg.Connection) -> bool:
    """Tell whether the other side has closed a connection, also when our event loop has not come to read it yet."""
    if driver.is_closed():
        return True
    unread = select.poll()
    unread.register(driver._transport.get_extra_info("socket").fileno(), select.POLLIN)
    if not unread.poll(0):
        return False
    for _ in range(_TURNS_TO_READ):
        await asyncio.sleep(0)
    return cast(bool, driver.is_closed())


async def roll_back(driver: asyncpg.Connection) -> None:
    """Undo a transaction; if the database does not answer, it does that itself once it misses us."""
    if driver.is_closed():
        return
    try:
        async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
            await driver.execute("ROLLBACK")
    except DRIVER_ERRORS as error:
        log.warning("database.not_rolled_back", error=repr(error))
        driver.terminate()


async def commit(driver: asyncpg.Connection) -> None:
    """Commit a transaction; raises `CommitInDoubt` if the connection broke in the middle of that."""
    if driver.is_closed():
        raise ConnectionError("The database was lost before the commit")
    try:
        await driver.execute("COMMIT")
    except LOST as error:
        log.warning("database.commit_in_doubt", error=repr(error))
        driver.terminate()
        raise CommitInDoubt from error


async def _give_back(connection: AsyncConnection, driver: asyncpg.Connection, *, is_doubtful: bool = False) -> None:
    """Return a connection to the pool, or to nobody if it is lost, or in a transaction, or may come to be in one.

    It never raises: the error that brought us here, which may be a cancellation, must not be replaced by another.
    """
    try:
        is_bad = is_doubtful or driver.is_closed() or driver.is_in_transaction()
        if is_bad and not connection.invalidated:
            await connection.invalidate()
        await connection.close()
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        log.warning("database.connection_dropped", error=repr(error))
        driver.terminate()


def driver_of(tx: AsyncConnection) -> asyncpg.Connection:
    """Return asyncpg's connection under SQLAlchemy's."""
    # Not `get_raw_connection`, which starts a greenlet for what is at hand.
    assert tx.sync_connection is not None, "a connection that is open"
    return cast(asyncpg.Connection, tx.sync_connection.connection.driver_connection)
