"""PostgreSQL: the pool, transactions, bulk loading and notices."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import cast

import asyncpg
import structlog
from sqlalchemy import DateTime, MetaData, Table, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from weyl.kit import json

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

_SERIALIZATION_FAILURES = {"40001", "40P01"}
_UNAVAILABLE = re.compile(r"^(08|57P0|53)")


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
    if isinstance(error, ConnectionError | TimeoutError | asyncpg.InterfaceError):
        return True
    state = sqlstate(error)
    return state is not None and _UNAVAILABLE.match(state) is not None


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
        self.engine: AsyncEngine = create_async_engine(
            _async_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=False,
            json_serializer=json.dumps_text,
            json_deserializer=json.loads,
            connect_args={
                "timeout": 10,
                "server_settings": {
                    "application_name": application_name,
                    "timezone": "UTC",
                    "statement_timeout": str(int(statement_timeout_s * 1000)),
                    "lock_timeout": str(int(lock_timeout_s * 1000)),
                },
            },
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction that commits when the block ends and rolls back when it raises."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """Open a connection in autocommit: one round trip for a read of one statement."""
        async with self._autocommit.connect() as connection:
            yield connection

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool, for listening and for the task engine."""
        return await asyncpg.connect(libpq_dsn(self.url), timeout=10, server_settings={"timezone": "UTC"})

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    def count_statements(self) -> "StatementCount":
        """Start counting the statements of this pool; tests bound the statements of a request with it."""
        return StatementCount(self.engine)


class StatementCount:
    """Counts the statements that SQLAlchemy sends while the block runs."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self.statements: list[str] = []

    def _record(self, conn: object, cursor: object, statement: str, *_: object) -> None:
        self.statements.append(statement)

    def __enter__(self) -> "StatementCount":
        event.listen(self._engine, "before_cursor_execute", self._record)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._record)

    def __len__(self) -> int:
        return len(self.statements)


async def driver_connection(tx: Tx) -> asyncpg.Connection:
    """Return asyncpg's connection under `tx`, inside its transaction.

    SQLAlchemy sends BEGIN with the first statement that it executes itself, so work on the raw connection before
    that would be outside the transaction: one empty statement makes sure.
    """
    raw = await tx.get_raw_connection()
    connection = cast(asyncpg.Connection, raw.driver_connection)
    if not connection.is_in_transaction():
        await tx.execute(text("SELECT 1"))
    return connection


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
        channels: Mapping[str, Callable[[str], None]],
        *,
        on_reconnect: Callable[[], None] | None = None,
    ) -> None:
        self._db = db
        self._channels = dict(channels)
        self._on_reconnect = on_reconnect
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    async def start(self) -> None:
        """Begin to listen; returns once the first connection stands."""
        self._task = asyncio.create_task(self._run(), name="weyl-listener")
        waiter = asyncio.create_task(self.listening.wait())
        await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()

    async def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        delay_s = 0.1
        while True:
            try:
                await self._listen_until_lost()
                delay_s = 0.1
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listener.lost", error=str(error), retry_in_s=delay_s)
            self.listening.clear()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5)

    async def _listen_until_lost(self) -> None:
        connection = await self._db.connect()
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            for channel in self._channels:
                await connection.add_listener(channel, self._deliver)
            self.listening.set()
            if self._on_reconnect is not None:
                self._on_reconnect()
            await lost.wait()
        finally:
            connection.terminate()

    def _deliver(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._channels[channel](str(payload))


def month_start(at: datetime, months: int = 0) -> datetime:
    """Return the first instant of the month that lies `months` after that of `at`."""
    index = at.year * 12 + at.month - 1 + months
    return at.replace(year=index // 12, month=index % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


async def ensure_month_partitions(tx: Tx, table: str, now: datetime, *, ahead: int = 2) -> None:
    """Create the partitions of `table` (by range of a time) for this month and the `ahead` next ones."""
    for offset in range(ahead + 1):
        start, end = month_start(now, offset), month_start(now, offset + 1)
        await tx.execute(
            text(
                f'CREATE TABLE IF NOT EXISTS "{table}_{start:%Y_%m}" PARTITION OF "{table}" '
                f"FOR VALUES FROM ('{start:%Y-%m-%d}') TO ('{end:%Y-%m-%d}')"
            )
        )


async def drop_month_partitions(tx: Tx, table: str, before: datetime) -> list[str]:
    """Drop the monthly partitions of `table` that end before `before`; returns their names."""
    names = await tx.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(:t)"
        ),
        {"t": table},
    )
    last_kept = f"{table}_{month_start(before):%Y_%m}"
    expired = sorted(name for (name,) in names if re.fullmatch(rf"{table}_\d{{4}}_\d\d", name) and name < last_kept)
    for name in expired:
        await tx.execute(text(f'DROP TABLE "{name}"'))
    return expired
