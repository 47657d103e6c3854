"""Thousands of logins started and abandoned: few rows, little memory, gone with their partition, slowed down."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx2
import psutil
import pytest
from sqlalchemy import text
from tests.infra.app import Application, calling_from
from tests.infra.login import CLIENT_ID, DEVICE_GRANT, addresses

from weyl.kit.db import Database
from weyl.kit.partitions import drop_month_partitions

EACH = 100
AT_ONCE = 10
ROW_BYTES_MAX = 1_000
GROWTH_BYTES_MAX = 64 << 20


async def start(client: httpx2.AsyncClient) -> httpx2.Response:
    return await client.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": "vo:voa"})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("callers", [15, pytest.param(100, marks=pytest.mark.long)])
async def test_thousands_of_logins_that_nobody_finishes(
    start_application: Callable[..., Awaitable[Application]], db: Database, callers: int
) -> None:
    application = await start_application()
    first, quick, last, *others = addresses(application, 3 + callers)
    places = asyncio.Semaphore(AT_ONCE)

    async def abandon(address: str) -> None:
        async with places, calling_from(application, address) as client:
            for _ in range(EACH):
                assert (await start(client)).status_code == 200

    await abandon(first)  # what is made once is made before we look
    before = psutil.Process().memory_info().rss
    await asyncio.gather(*(abandon(address) for address in others))
    assert psutil.Process().memory_info().rss - before < GROWTH_BYTES_MAX

    logins = (callers + 1) * EACH
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM device_flows")) == logins
        assert await tx.scalar(text("SELECT count(*) FROM login_attempts")) == callers + 1
        size = (
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'device_flows'::regclass"
        )
        assert await tx.scalar(text(size)) < logins * ROW_BYTES_MAX

    await _a_faster_one_has_to_wait(application, quick)
    await _all_go_at_once(application, db, last)


async def _a_faster_one_has_to_wait(application: Application, address: str) -> None:
    async with calling_from(application, address) as client:
        answers = [await start(client) for _ in range(300)]
    statuses = Counter(answer.status_code for answer in answers)
    # As long as this took, some attempts came back.
    assert set(statuses) == {200, 429}
    assert 120 <= statuses[200] < 300
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


async def _all_go_at_once(application: Application, db: Database, address: str) -> None:
    async with calling_from(application, address) as client:
        device = (await start(client)).json()
        later = datetime.now(UTC) + timedelta(days=32)
        async with db.transaction() as tx:
            with db.count_statements() as count:
                dropped = await drop_month_partitions(tx, "device_flows", later)
            # One statement a partition, however many logins lie in it.
            verbs = [statement.split()[0].upper() for statement in count.statements]
            assert (verbs.count("DROP"), verbs.count("DELETE")) == (len(dropped), 0)
            assert len(verbs) <= 2 + len(dropped)
            assert await tx.scalar(text("SELECT count(*) FROM device_flows")) == 0
        form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": device["device_code"]}
        answer = await client.post("/api/auth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
