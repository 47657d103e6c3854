"""Searches that would never end take the time and the places that searches have, and nothing from anybody else."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application

from weyl.kit.db import Database

# Backtracks for ever on a row of equal letters.
PATTERN = "^" + "(a*)" * 6 + "".join(rf"\{group}\{group}" for group in range(1, 7)) + "$"
TIMEOUT_S = 2.0
TRIES = 16

_ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND state = 'active' AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def application(start_application: Callable[..., Awaitable[Application]], db: Database) -> Application:
    application = await start_application(database_pool_size=2, search_timeout_s=TIMEOUT_S, search_scans_max=2)
    submitted = await application.client.post(
        "/api/jobs/jdl", json=['Executable = "x";'], headers=application.login("alice")
    )
    assert submitted.status_code == 201
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET application_status = repeat('a', 250)"))
    return application


@pytest.mark.parametrize("verb", ["search", "summary"])
async def test_sixteen_slow_searches_keep_nobody_else_waiting(
    application: Application, db: Database, verb: str
) -> None:
    client, alice, bob = application.client, application.login("alice"), application.login("bob")
    body = {"search": [{"parameter": "ApplicationStatus", "operator": "regex", "value": PATTERN}], "grouping": ["Site"]}
    slow = [
        asyncio.create_task(client.post(f"/api/jobs/{verb}", json=body, headers=alice, timeout=60))
        for _ in range(TRIES)
    ]
    longest_s = 0.0
    while not all(task.done() for task in slow):
        began = time.monotonic()
        answers = [
            await client.post("/api/jobs/search", json={}, headers=bob),
            await client.post("/api/jobs/search", json=_with_pattern("x%"), headers=bob),
            await client.get("/api/config/", headers=bob),
        ]
        longest_s = max(longest_s, time.monotonic() - began)
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        await asyncio.wait(slow, timeout=0.1)
    answers = [task.result() for task in slow]
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {400, 503}, statuses
    assert statuses[400] >= 2
    for answer in answers:
        _is_clear(answer)
    # Far below what one slow search alone would hold all of them up for.
    assert longest_s < 10
    async with db.read() as tx:
        assert await tx.scalar(text(_ACTIVE)) == 0


def _with_pattern(pattern: str) -> dict[str, object]:
    return {"search": [{"parameter": "Owner", "operator": "like", "value": pattern}]}


def _is_clear(answer: httpx2.Response) -> None:
    if answer.status_code == 400:
        assert "took too long" in answer.json()["detail"]
    else:
        assert int(answer.headers["retry-after"]) > 0
        assert "no index" in answer.json()["detail"]
