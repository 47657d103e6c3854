"""PostgreSQL: the pool, transactions, bulk loading and notices."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import cast

import asyncpg
import structlog
from sqlalchemy import DateTime, MetaData, Table, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from weyl.kit import json
from weyl.kit.background import end_task
from weyl.kit.pool import LOST, CommitInDoubt, Connections, commit, driver_of, roll_back
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

Tx = AsyncConnection
"""One open transaction, or, in `Database.read`, a connection that commits each statement."""

Timestamp = DateTime(timezone=True)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# How much longer than PostgreSQL's own limit for a statement we wait for its word: then the way to it is broken.
ANSWER_MARGIN_S = 5.0
CONNECT_TIMEOUT_S = 10.0
LISTENER_ASKS_EVERY_S = 10.0
LISTENER_ANSWER_S = 5.0
# After this PostgreSQL ends what a process that can no longer be reached has left open, with its locks.
ABANDONED_AFTER_S = 60

_SERIALIZATION_FAILURES = {"40001", "40P01"}
# No connection, no room, a limit of time reached: the transaction did nothing, and may do better later.
_UNAVAILABLE = re.compile(r"^(08|57P0|53|57014|55P03)")
_TOO_LONG = frozenset({"57014", "55P03"})
_AWAY = (
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    CommitInDoubt,
)
# No such table, no such column.
_NOT_THERE = frozenset({"42P01", "42703"})


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, also through SQLAlchemy's wrapping."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return cast("str | None", getattr(original, "sqlstate", None))


def is_transient(error: BaseException) -> bool:
    """Tell whether the same transaction may succeed when it is tried again: a deadlock or a serialisation failure."""
    return sqlstate(error) in _SERIALIZATION_FAILURES


def is_unavailable(error: BaseException) -> bool:
    """Tell whether the database could not be reached or had no room, as opposed to refusing the statement."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, _AWAY):
        # What asyncpg says of a value that it cannot send is an InterfaceError, too, and the caller's fault.
        return not isinstance(error, ValueError)
    state = sqlstate(error)
    return state is not None and _UNAVAILABLE.match(state) is not None


def is_gone(error: BaseException) -> bool:
    """Tell whether there was no database to speak to, as opposed to one that took too long or refused."""
    return is_unavailable(error) and sqlstate(error) not in _TOO_LONG


def is_behind(error: BaseException) -> bool:
    """Tell whether the database lacks a table or a column: its schema is older than this process."""
    return sqlstate(error) in _NOT_THERE


def _async_url(url: str) -> URL:
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+asyncpg")


def libpq_dsn(url: str) -> str:
    """Return `url` as asyncpg itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Database:
    """The pool of connections of one process."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        statement_timeout_s: float = 30,
        lock_timeout_s: float = 10,
        application_name: str = "weyl",
    ) -> None:
        self.url = url
        self.command_timeout_s = statement_timeout_s + ANSWER_MARGIN_S if statement_timeout_s else None
        self.engine: AsyncEngine = create_async_engine(
            _async_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=False,
            # What a failing statement was given may be anything, and the error ends up in the log.
            hide_parameters=True,
            json_serializer=json.dumps_text,
            json_deserializer=json.loads,
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": self.command_timeout_s,
                "server_settings": {
                    "application_name": application_name,
                    "timezone": "UTC",
                    "statement_timeout": str(int(statement_timeout_s * 1000)),
                    "lock_timeout": str(int(lock_timeout_s * 1000)),
                    "idle_in_transaction_session_timeout": str(1000 * ABANDONED_AFTER_S),
                },
            },
        )
        autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connections = Connections(autocommit, kept_max=max(1, pool_size // 2), opened_max=2 * pool_size)

    @asynccontextmanager
    async def transaction(self, *, opening: str = "") -> AsyncIterator[Tx]:
        """Open a transaction that commits when the block ends and rolls back when it raises.

        It begins and ends on asyncpg's connection, which SQLAlchemy takes for one in autocommit: SQLAlchemy's own way
        takes four times the CPU, and would send BEGIN only with the first statement that it executes itself. What a
        hot transaction does first, and needs no answer to, may go along with BEGIN: `opening` is such SQL.
        """
        async with self._connections.lent(opening) as connection:
            driver = driver_of(connection)
            try:
                yield connection
            except BaseException:
                await roll_back(driver)
                raise
            await commit(driver)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """Open a connection in autocommit: one round trip for a read of one statement."""
        async with self._connections.lent() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        """Open a connection in autocommit for statements that each write all there is to write: one round trip each.

        Raises `CommitInDoubt` if the connection broke under one of them.
        """
        async with self.read() as tx:
            try:
                yield tx
            except LOST as error:
                raise CommitInDoubt from error

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool, for listening and for the task engine."""
        return await asyncpg.connect(
            libpq_dsn(self.url),
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=self.command_timeout_s,
            server_settings={"timezone": "UTC"},
        )

    @property
    def connections_in_use(self) -> int:
        """How many connections requests and tasks hold now."""
        return self._connections.in_use

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.close()
        await self.engine.dispose()

    def count_statements(self) -> "StatementCount":
        """Start counting the statements of this pool; tests bound the statements of a request with it."""
        return StatementCount(self.engine)


class StatementCount:
    """Counts the statements of features that the block sends, and what it starts; not those of tasks beside it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self.statements: list[str] = []

    def _record(self, conn: object, cursor: object, statement: str, *_: object) -> None:
        if _COUNTING.get() is self:
            self.statements.append(statement)

    def __enter__(self) -> "StatementCount":
        event.listen(self._engine, "before_cursor_execute", self._record)
        self._before = _COUNTING.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _COUNTING.reset(self._before)
        event.remove(self._engine, "before_cursor_execute", self._record)

    def __len__(self) -> int:
        return len(self.statements)


_COUNTING: ContextVar[StatementCount | None] = ContextVar("weyl_counting", default=None)


async def driver_connection(tx: Tx) -> asyncpg.Connection:
    """Return asyncpg's connection under `tx`, inside its transaction if `tx` is one."""
    return driver_of(tx)


async def copy_rows(tx: Tx, table: Table, columns: Sequence[str], records: Iterable[Sequence[object]]) -> None:
    """Load `records` into `table` with COPY, in the transaction of `tx`; JSONB columns take JSON text."""
    connection = await driver_connection(tx)
    await connection.copy_records_to_table(table.name, columns=list(columns), records=records)


async def notify(tx: Tx, channel: str, payload: str) -> None:
    """Send a notice that listeners get when `tx` commits."""
    await tx.execute(_NOTIFY, {"channel": channel, "payload": payload})


_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Listener:
    """Keeps one connection that listens, reconnects when it is lost, and tells so: notices may have been missed."""

    def __init__(
        self,
        db: Database,
        channels: Mapping[str, Sequence[Callable[[str], None]]],
        *,
        on_reconnect: Callable[[], None] | None = None,
        ask_every_s: float = LISTENER_ASKS_EVERY_S,
    ) -> None:
        self._db = db
        self._ask_every_s = ask_every_s
        self._channels = dict(channels)
        self._on_reconnect = on_reconnect
        self._task: asyncio.Task[None] | None = None
        self.tried = asyncio.Event()
        """The first connection stands, or could not be made."""
        self.listening = asyncio.Event()

    def begin(self) -> None:
        """Begin to listen, without waiting for the first connection."""
        self._task = asyncio.create_task(self._run(), name="weyl-listener")

    async def start(self) -> None:
        """Begin to listen; returns once the first connection stands, or could not be made."""
        self.begin()
        await self.tried.wait()

    async def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            await end_task(self._task)

    async def _run(self) -> None:
        delay_s = 0.1
        while True:
            try:
                await self._listen_until_lost()
                delay_s = 0.1
            except Exception as error:  # noqa: BLE001 - the outermost loop: it must outlive everything
                log.warning("listener.lost", error=repr(error), retry_in_s=delay_s)
            self.tried.set()
            self.listening.clear()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5)

    async def _listen_until_lost(self) -> None:
        connection = await self._db.connect()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            for channel, hears in self._channels.items():
                for hear in hears:  # each by itself: one that raises keeps no notice from the others
                    await connection.add_listener(channel, _delivering(hear))
            self.listening.set()
            self.tried.set()
            if self._on_reconnect is not None:
                self._on_reconnect()
            await self._look_after(connection, lost)
        finally:
            connection.terminate()

    async def _look_after(self, connection: asyncpg.Connection, lost: asyncio.Event) -> None:
        """Return or raise when the connection is lost: a broken way shows only when something is said."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), self._ask_every_s)
                return
            await connection.execute("SELECT", timeout=LISTENER_ANSWER_S)


def _delivering(hear: Callable[[str], None]) -> Callable[[object, int, str, object], None]:
    def deliver(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        hear(str(payload))

    return deliver


DATABASE: Key[Database] = Key("the database")
