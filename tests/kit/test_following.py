"""Followers: what makes them read, what `seen` means, and that no error, lost line or missing database ends them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text
from tests.faults.proxy import FaultProxy, proxy_before, url_through

from weyl.kit.db import Database, notify
from weyl.kit.errors import Unavailable
from weyl.kit.following import Follower, following, judge_followers

WAIT_S = 30
CHANNEL = "test"


class Copy:
    """The number in a table, with signals after each select and each read; in between it may be held up."""

    def __init__(self, db: Database) -> None:
        self.number = -1
        self.selects = asyncio.Semaphore(0)
        self.reads = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.open.set()
        self._db = db

    async def read(self) -> None:
        async with self._db.read() as tx:
            number = await tx.scalar(text("SELECT number FROM followed"))
        self.selects.release()
        await self.open.wait()
        self.number = number
        self.reads.release()


@pytest.fixture
async def copy(db: Database) -> Copy:
    await set_number(db, "CREATE TABLE followed AS SELECT 1 AS number")
    return Copy(db)


@pytest.fixture
def link(database_url: str) -> Iterator[FaultProxy]:
    with proxy_before(database_url) as proxy:
        yield proxy


async def set_number(db: Database, statement: str = "UPDATE followed SET number = number + 1") -> None:
    async with db.transaction() as tx:
        await tx.execute(text(statement))
        await notify(tx, CHANNEL, "news")


async def next_read(copy: Copy) -> int:
    await asyncio.wait_for(copy.reads.acquire(), WAIT_S)
    return copy.number


async def test_the_first_read_is_over_when_the_block_begins(copy: Copy, db: Database) -> None:
    async with following(Follower("numbers", copy.read, every_s=None, db=db, channel=CHANNEL)):
        assert copy.number == 1


async def test_a_notice_leads_to_a_read(copy: Copy, db: Database) -> None:
    async with following(Follower("numbers", copy.read, every_s=None, db=db, channel=CHANNEL)):
        assert await next_read(copy) == 1
        await set_number(db)
        assert await next_read(copy) == 2


@pytest.mark.parametrize("every_s", [0.01, lambda: 0.01])
async def test_without_notices_it_reads_now_and_then(
    copy: Copy, db: Database, every_s: float | Callable[[], float]
) -> None:
    async with following(Follower("numbers", copy.read, every_s=every_s)):
        await set_number(db)
        while await next_read(copy) != 2:
            pass


async def test_a_notice_may_be_heard_in_place_of_a_read(copy: Copy, db: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    follower = Follower("numbers", copy.read, every_s=None, db=db, channel=CHANNEL, hear=heard.put_nowait)
    async with following(follower):
        await set_number(db)
        assert await asyncio.wait_for(heard.get(), WAIT_S) == "news"
        assert copy.number == 1
        await follower.seen()
        assert copy.number == 2


async def test_what_was_missed_while_the_line_was_down_is_read(copy: Copy, db: Database) -> None:
    async with following(Follower("numbers", copy.read, every_s=None, db=db, channel=CHANNEL)):
        assert await next_read(copy) == 1
        async with db.transaction() as tx:
            await tx.execute(text("UPDATE followed SET number = 2"))
            await tx.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
            )
        assert await next_read(copy) == 2


async def test_seen_waits_for_a_read_that_began_afterwards(copy: Copy, db: Database) -> None:
    follower = Follower("numbers", copy.read, every_s=None)
    async with following(follower):
        await copy.selects.acquire()
        copy.open.clear()
        follower.wake()
        await asyncio.wait_for(copy.selects.acquire(), WAIT_S)
        await set_number(db)
        copy.open.set()
        await asyncio.wait_for(follower.seen(), WAIT_S)
        assert copy.number == 2


@pytest.mark.parametrize("error", [ZeroDivisionError(), AssertionError(), LookupError("x"), OSError(), TimeoutError()])
async def test_no_error_ends_it(copy: Copy, db: Database, error: Exception) -> None:
    errors = [error, error]

    async def read() -> None:
        if errors:
            raise errors.pop()
        await copy.read()

    follower = Follower("numbers", read, every_s=None, db=db, channel=CHANNEL)
    async with following(follower):
        assert follower.error == type(error).__name__
        assert follower.failing_s > 0
        [warning] = judge_followers([follower], after_s=0)
        assert warning.startswith("numbers: not read for 0 s")
        assert warning.endswith(f"({type(error).__name__}); the log of this process says why")
        assert judge_followers([follower]) == []
        await asyncio.wait_for(follower.seen(), WAIT_S)
        assert (follower.error, follower.failing_s, judge_followers([follower], after_s=0)) == ("", 0, [])
        assert await next_read(copy) == 1
        await set_number(db)
        assert await next_read(copy) == 2


@pytest.mark.parametrize("fault", ["reset", "black hole"])
async def test_those_that_start_without_the_database_wait_together_and_catch_up(
    copy: Copy, db: Database, database_url: str, link: FaultProxy, fault: str
) -> None:
    far = Database(url_through(link, database_url), pool_size=2, statement_timeout_s=2)
    away = Copy(far)
    followers = [Follower(f"numbers {number}", away.read, every_s=1, db=far, channel=CHANNEL) for number in range(3)]
    link.play(fault)
    async with following(*followers, patience_s=0.5):
        assert away.number == -1
        link.play("none")
        for follower in followers:
            await asyncio.wait_for(follower.seen(), WAIT_S)
        assert away.number == 1
    await far.close()


async def test_a_database_that_answers_is_waited_for(copy: Copy, db: Database) -> None:
    copy.open.clear()
    follower = Follower("numbers", copy.read, every_s=None, db=db, channel=CHANNEL)
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(stack.enter_async_context(following(follower, patience_s=1.0)))
        await asyncio.wait({starting}, timeout=1.5)
        assert not starting.done()
        copy.open.set()
        await asyncio.wait_for(starting, WAIT_S)
        assert copy.number == 1


async def test_one_connection_listens_for_all_and_one_that_fails_keeps_nothing_from_the_others(db: Database) -> None:
    heard: dict[str, list[str]] = {"a": [], "b": [], "other": []}

    async def read() -> None: ...

    def broken(_: str) -> None:
        raise ZeroDivisionError

    def follower(name: str, channel: str, hear: Callable[[str], None]) -> Follower:
        return Follower(name, read, every_s=None, db=db, channel=channel, hear=hear)

    followers = [
        follower("broken", "one", broken),
        follower("a", "one", heard["a"].append),
        follower("b", "one", heard["b"].append),
        follower("other", "two", heard["other"].append),
    ]
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda *_: None)  # the loop reports what `broken` raises
    try:
        async with following(*followers):
            async with db.read() as tx:
                listening = (
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
                assert await tx.scalar(text(listening)) == 1
            async with db.transaction() as tx:
                await notify(tx, "one", "x")
                await notify(tx, "two", "y")
            async with asyncio.timeout(WAIT_S):
                while heard != {"a": ["x"], "b": ["x"], "other": ["y"]}:
                    await asyncio.sleep(0.01)
    finally:
        loop.set_exception_handler(before)


def test_a_follower_of_a_database_names_its_channel(db: Database) -> None:
    async def read() -> None: ...

    with pytest.raises(ValueError, match="needs both a database and a channel"):
        Follower("numbers", read, every_s=None, db=db)


async def test_who_waits_for_one_that_stops_is_told_so(copy: Copy) -> None:
    follower = Follower("numbers", copy.read, every_s=None)
    async with following(follower):
        await copy.selects.acquire()
        copy.open.clear()
        seeing = asyncio.create_task(follower.seen())
        await asyncio.wait_for(copy.selects.acquire(), WAIT_S)
    with pytest.raises(Unavailable, match="no longer updates its copy: numbers"):
        await seeing
