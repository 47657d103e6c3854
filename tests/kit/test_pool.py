"""Connections that PostgreSQL closed, that lead nowhere, or that break while they commit; on the real database."""

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.faults.proxy import FaultProxy, proxy_before, url_through

from weyl.kit import pool
from weyl.kit.coalesce import Coalescer
from weyl.kit.db import Database, Listener, driver_connection, is_gone, is_unavailable, notify
from weyl.kit.pool import CommitInDoubt


async def end_others(db: Database) -> None:
    """Make PostgreSQL close every other connection to the test's database."""
    async with db.read() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.fixture
async def other(database_url: str):
    """A pool of somebody else."""
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


@pytest.fixture
def link(database_url: str) -> Iterator[FaultProxy]:
    with proxy_before(database_url) as proxy:
        yield proxy


@pytest.fixture
async def far(database_url: str, link: FaultProxy):
    """A pool whose way to the database leads through the proxy, with short patience."""
    database = Database(url_through(link, database_url), pool_size=2, statement_timeout_s=2)
    yield database
    await database.close()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weyl.kit.db.ANSWER_MARGIN_S", 1)
    monkeypatch.setattr("weyl.kit.db.LISTENER_ANSWER_S", 1)
    monkeypatch.setattr(pool, "ROLLBACK_TIMEOUT_S", 0.5)


async def test_connections_that_postgresql_closed_are_replaced_before_anybody_sees_it(
    db: Database, other: Database
) -> None:
    for _ in range(5):
        await asyncio.gather(*(_one(db) for _ in range(6)))
        await end_others(other)
        # Several at once: more than were kept, so that those in SQLAlchemy's pool are used, too.
        assert await asyncio.gather(*(_one(db) for _ in range(6))) == [1] * 6
        await end_others(other)
        async with db.read() as tx:
            assert await tx.scalar(text("SELECT 1")) == 1


async def _one(db: Database) -> int | None:
    async with db.transaction() as tx:
        return await tx.scalar(text("SELECT 1"))


async def test_begin_is_sent_again_where_the_end_was_not_seen(
    db: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(driver: object) -> bool:
        return False

    await _one(db)
    await end_others(other)
    monkeypatch.setattr(pool, "_is_closed", never)
    assert await _one(db) == 1


async def test_a_statement_is_never_sent_again(db: Database, other: Database) -> None:
    with pytest.raises(DBAPIError) as lost:
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE once (id int)"))
            await end_others(other)
            await tx.execute(text("INSERT INTO once VALUES (1)"))
    assert is_unavailable(lost.value)
    assert is_gone(lost.value)
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT to_regclass('once')")) is None


async def test_a_commit_that_nobody_answered_is_in_doubt(far: Database, link: FaultProxy) -> None:
    with pytest.raises(CommitInDoubt) as doubt:
        async with far.transaction() as tx:
            await tx.execute(text("CREATE TABLE once (id int)"))
            link.play("black hole")
    assert doubt.value.status == 504
    link.play("none")
    assert await _one(far) == 1


async def test_a_connection_lost_before_the_commit_is_in_no_doubt(db: Database) -> None:
    with pytest.raises(ConnectionError) as lost:
        async with db.transaction() as tx:
            (await driver_connection(tx)).terminate()
    assert is_unavailable(lost.value)


async def test_a_black_hole_keeps_nobody_for_long_and_is_over_when_it_is_over(far: Database, link: FaultProxy) -> None:
    assert await _one(far) == 1
    began = time.monotonic()
    with link.fault("black hole"):
        for _ in range(2):
            with pytest.raises(TimeoutError) as lost:
                await _one_unpooled(far)
            assert is_unavailable(lost.value)
    assert time.monotonic() - began < 20
    assert await asyncio.gather(*(_one(far) for _ in range(4))) == [1] * 4


async def test_a_begin_that_arrives_late_swallows_no_later_write(far: Database, link: FaultProxy, db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE kept (id int)"))
    assert await _one(far) == 1
    with link.fault("black hole"), pytest.raises(TimeoutError):
        await _one(far)
    for number in range(4):
        async with far.read() as tx:
            await tx.execute(text("INSERT INTO kept VALUES (:n)"), {"n": number})
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM kept")) == 4


async def test_what_was_written_in_a_stray_transaction_is_not_taken_for_done(db: Database) -> None:
    with pytest.raises(ConnectionError) as stray:
        async with db.read() as tx:
            await (await driver_connection(tx)).execute("BEGIN")
            await tx.execute(text("CREATE TABLE lost (id int)"))
    assert is_unavailable(stray.value)
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT to_regclass('lost')")) is None


async def _one_unpooled(db: Database) -> None:
    async with asyncio.timeout(5), db.transaction() as tx:
        await tx.execute(text("SELECT 1"))


async def test_a_listener_notices_that_nothing_comes_through(far: Database, link: FaultProxy, db: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    connected: asyncio.Queue[None] = asyncio.Queue()
    listener = Listener(
        far, {"test": [heard.put_nowait]}, on_reconnect=lambda: connected.put_nowait(None), ask_every_s=0.1
    )
    await listener.start()
    async with asyncio.timeout(30):
        await connected.get()
        with link.fault("black hole"):
            while listener.listening.is_set():
                await asyncio.sleep(0.05)
        await connected.get()
        async with db.transaction() as tx:
            await notify(tx, "test", "again")
        assert await heard.get() == "again"
    await listener.stop()


async def test_whoever_waits_for_a_connection_is_before_those_who_come_later(other: Database) -> None:
    """With two connections, of which one stays in use: who had the other asks again before who waits could run."""
    served: list[str] = []

    async def use(who: str) -> None:
        async with other.read() as tx:
            await tx.scalar(text("SELECT 1"))
            served.append(who)

    async with other.read():
        async with other.read():
            waiting = [asyncio.create_task(use(who)) for who in ("first", "second")]
            await asyncio.sleep(0)
            assert not served
        await use("later")
    assert served == ["first", "second", "later"]
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("host", ["/nowhere", "no-such-host.invalid"])
async def test_a_database_without_its_socket_or_its_host_is_away(host: str) -> None:
    """A PostgreSQL that is stopped takes its unix socket with it."""
    nowhere = Database(f"postgresql://weyl@/weyl?host={host}", pool_size=1)
    for lend in (nowhere.transaction, nowhere.read):
        with pytest.raises(ConnectionError) as lost:
            async with lend():
                raise AssertionError("there is a connection")
        assert is_unavailable(lost.value)
    assert nowhere.connections_in_use == 0
    await nowhere.close()


async def test_nobody_waits_for_ever_and_no_connection_is_lost_with_those_who_give_up(
    other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PLACE_TIMEOUT_S", 0.05)
    async with other.read(), other.transaction():
        assert other.connections_in_use == 2
        waiting = [asyncio.create_task(_one(other)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        cancelled, *late = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [(type(each), is_unavailable(each)) for each in late] == [(TimeoutError, True)] * 2
    assert other.connections_in_use == 0
    monkeypatch.setattr(pool, "PLACE_TIMEOUT_S", 10)
    assert await asyncio.gather(*(_one(other) for _ in range(20))) == [1] * 20


async def test_a_batch_is_not_tried_one_by_one_when_the_database_is_away() -> None:
    flushed: list[int] = []

    async def flush(items):
        flushed.append(len(items))
        raise CommitInDoubt if 9 in items else ConnectionError("away")

    coalescer = Coalescer[int, None](flush)
    results = await asyncio.gather(*(coalescer.submit(number) for number in (1, 2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 3
    results = await asyncio.gather(*(coalescer.submit(number) for number in (8, 9)), return_exceptions=True)
    assert [type(result) for result in results] == [CommitInDoubt] * 2
    assert flushed == [3, 2]


def test_what_the_driver_says_of_a_connection_that_ends_between_two_of_its_steps_is_no_bug_of_ours() -> None:
    """asyncpg has an error for it that belongs to none of its families; a closing connection raises it now and then."""
    ended = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    assert is_unavailable(ended)
    assert isinstance(ended, pool.DRIVER_ERRORS)
