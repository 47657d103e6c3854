"""Attempts: how many an address has, and when it gets new ones."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application, calling_from
from tests.infra.login import CLIENT_ID, addresses, sharing_addresses

from weyl.auth.errors import TooManyLogins
from weyl.auth.rates import AttemptLimiter
from weyl.kit.db import Database
from weyl.settings import Settings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_has_used_up_its_attempts_is_told_when_to_come_back() -> None:
    clock = Clock()
    limiter = AttemptLimiter(60, clock=clock)
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyLogins) as caught:
        limiter.take("a")
    assert caught.value.headers == {"Retry-After": "1"}
    limiter.take("b")


def test_an_ipv6_address_counts_for_its_network() -> None:
    limiter = AttemptLimiter(1, clock=lambda: 0.0)
    limiter.take("2001:db8:1:2::1")
    for neighbour in ("2001:db8:1:2::2", "2001:db8:1:2:ffff::"):
        with pytest.raises(TooManyLogins):
            limiter.take(neighbour)
    limiter.take("2001:db8:1:3::1")
    for address in ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3", "unknown", "fe80::1%eth0"):
        limiter.take(address)
    with pytest.raises(TooManyLogins):
        limiter.take("192.0.2.1")


def test_attempts_come_back_evenly() -> None:
    clock = Clock()
    limiter = AttemptLimiter(60, clock=clock)
    for _ in range(60):
        limiter.take("a")
    clock.now = 2.5
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyLogins):
        limiter.take("a")
    clock.now = 10_000
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyLogins):
        limiter.take("a")


def test_the_default_allows_fifty_logins_in_a_row() -> None:
    limiter = AttemptLimiter(Settings.model_fields["logins_per_minute"].default, clock=Clock())
    # a device login costs two attempts: the device's and the browser's
    for _ in range(100):
        limiter.take("a")


async def test_all_server_processes_count_together(start_application: Callable[..., Awaitable[Application]]) -> None:
    first, second = [await start_application(logins_per_minute=6) for _ in range(2)]
    answers = [await start(each.client) for _ in range(6) for each in (first, second)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 6
    assert all(1 <= int(answer.headers["retry-after"]) <= 10 for answer in answers[6:])
    wrong_code = await second.client.get("/api/auth/device", params={"user_code": "BCDFGHJK"})
    assert wrong_code.status_code == 429


async def test_one_address_takes_nothing_from_another(
    start_application: Callable[..., Awaitable[Application]], db: Database
) -> None:
    application = await start_application(logins_per_minute=2)
    for address in addresses(application, 20):
        async with calling_from(application, address) as client:
            assert [(await start(client)).status_code for _ in range(3)] == [200, 200, 429]
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM login_attempts")) == 20


async def test_addresses_that_share_a_slot_share_their_attempts(
    start_application: Callable[..., Awaitable[Application]],
) -> None:
    application = await start_application(logins_per_minute=2)
    first, second = sharing_addresses(application)
    for address, statuses in ((first, [200]), (second, [200, 429]), (first, [429])):
        async with calling_from(application, address) as client:
            assert [(await start(client)).status_code for _ in statuses] == statuses


async def test_attempts_come_back_in_the_database_too(
    start_application: Callable[..., Awaitable[Application]], db: Database
) -> None:
    first, second = [await start_application(logins_per_minute=2) for _ in range(2)]
    assert [(await start(first.client)).status_code for _ in range(3)] == [200, 200, 429]
    assert (await start(second.client)).status_code == 429
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE login_attempts SET due = due - interval '31 seconds'"))
    assert (await start(second.client)).status_code == 200
    third = await start_application(logins_per_minute=2)
    assert (await start(third.client)).status_code == 429


async def test_the_database_does_not_tell_who_tried(application: Application, db: Database) -> None:
    async with calling_from(application, "192.0.2.77") as client:
        await start(client)
    async with db.read() as tx:
        rows = (await tx.execute(text("SELECT login_attempts::text FROM login_attempts"))).scalars().all()
    assert len(rows) == 1
    assert "192.0.2" not in rows[0]


async def start(client: httpx2.AsyncClient) -> httpx2.Response:
    return await client.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": "vo:voa"})
