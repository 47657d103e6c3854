"""Transactions, bulk loading, notices and partitions, on the real database."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from weyl.kit.db import Database, Listener, Tx, copy_rows, is_gone, is_unavailable, libpq_dsn, notify
from weyl.kit.partitions import drop_month_partitions, ensure_month_partitions, month_start
from weyl.kit.sql import Sql

things = sa.Table("things", sa.MetaData(), sa.Column("id", sa.BigInteger), sa.Column("name", sa.Text))


async def _count(db: Database) -> int:
    async with db.read() as tx:
        return await tx.scalar(text("SELECT count(*) FROM things")) or 0


@pytest.fixture(autouse=True)
async def table(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE things (id bigint, name text)"))


async def test_copy_is_part_of_the_transaction_even_as_its_first_statement(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await copy_rows(tx, things, ["id", "name"], [(1, "lost")])
            raise ZeroDivisionError
    assert await _count(db) == 0
    async with db.transaction() as tx:
        await copy_rows(tx, things, ["id", "name"], ((number, "kept") for number in range(1000)))
    assert await _count(db) == 1000


async def test_a_savepoint_takes_its_copy_back(db: Database) -> None:
    async with db.transaction() as tx:
        await copy_rows(tx, things, ["id", "name"], [(1, "kept")])
        savepoint = await tx.begin_nested()
        await copy_rows(tx, things, ["id", "name"], [(2, "lost")])
        await savepoint.rollback()
    assert await _count(db) == 1


async def test_nobody_waits_for_a_connection_while_others_get_one_again_and_again(database_url: str) -> None:
    database = Database(database_url, pool_size=1)

    async def work() -> None:
        for _ in range(200):
            async with database.transaction() as tx:
                await tx.execute(text("SELECT 1"))

    try:
        # Many more than there are connections; each has to wait, and nobody until the pool gives up.
        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(8)))
        assert time.monotonic() - began < 60
    finally:
        await database.close()


async def test_an_error_does_not_tell_what_the_statement_was_given(tx: Tx) -> None:
    with pytest.raises(DBAPIError) as caught:
        await tx.execute(text("SELECT nonsense(:value)"), {"value": "of-somebody"})
    assert "of-somebody" not in repr(caught.value)
    assert "nonsense" in str(caught.value)


async def test_statements_are_counted(db: Database) -> None:
    with db.count_statements() as count:
        async with db.read() as tx:
            await tx.execute(text("SELECT 1"))
            await tx.execute(text("SELECT 2"))
    assert len(count) == 2


async def test_statements_of_what_the_block_starts_are_counted_and_not_those_of_tasks_beside_it(db: Database) -> None:
    async def ask(number: int) -> None:
        async with db.read() as tx:
            await Sql(f"SELECT {number}").run(tx)

    async def beside() -> None:
        await begun.wait()
        await ask(1)

    begun = asyncio.Event()
    other = asyncio.create_task(beside())
    with db.count_statements() as count:
        begun.set()
        await other
        await asyncio.create_task(ask(2))
    assert count.statements == ["SELECT 2"]


async def test_a_notice_comes_with_the_commit_and_also_after_a_lost_connection(db: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connected: asyncio.Queue[None] = asyncio.Queue()
    listener = Listener(db, {"test": [heard.put_nowait]}, on_reconnect=lambda: connected.put_nowait(None))
    await listener.start()
    await connected.get()
    async with db.transaction() as tx:
        await notify(tx, "test", "one")
    assert await asyncio.wait_for(heard.get(), 5) == "one"
    async with db.read() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        )
    await asyncio.wait_for(connected.get(), 10)
    async with db.transaction() as tx:
        await notify(tx, "test", "two")
    assert await asyncio.wait_for(heard.get(), 5) == "two"
    await listener.stop()


async def test_months_become_partitions_and_old_ones_are_dropped(db: Database) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE diary (at timestamptz) PARTITION BY RANGE (at)"))
        for _ in range(2):
            await ensure_month_partitions(tx, "diary", now, ahead=2)
        assert await drop_month_partitions(tx, "diary", datetime(2027, 1, 3, tzinfo=UTC)) == [
            "diary_2026_11",
            "diary_2026_12",
        ]
        await tx.execute(text("INSERT INTO diary VALUES ('2027-01-31 23:59:59+00')"))


def test_month_starts_count_across_years() -> None:
    at = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
    assert month_start(at) == datetime(2026, 11, 1, tzinfo=UTC)
    assert month_start(at, 2) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_start(at, -11) == datetime(2025, 12, 1, tzinfo=UTC)


async def test_a_database_that_is_away_is_told_from_one_that_refuses(db: Database) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OSError, match=r".") as caught:
        async with away.read() as tx:
            await tx.execute(text("SELECT 1"))
    assert is_unavailable(caught.value)
    assert is_gone(caught.value)
    with pytest.raises(DBAPIError) as refused:
        async with db.read() as tx:
            await tx.execute(text("SELECT nonsense"))
    assert not is_unavailable(refused.value)
    with pytest.raises(DBAPIError) as slow:
        async with db.transaction() as tx:
            await tx.execute(text("SET LOCAL statement_timeout = 10"))
            await tx.execute(text("SELECT pg_sleep(9)"))
    assert is_unavailable(slow.value)
    assert not is_gone(slow.value)
    await away.close()


def test_asyncpg_gets_the_url_in_its_own_form() -> None:
    assert libpq_dsn("postgresql+asyncpg://a:b@h:1/d") == "postgresql://a:b@h:1/d"
