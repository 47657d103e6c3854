"""What the matcher is judged over: bare claims on the same PostgreSQL, and the cheapest route that takes a token."""

import asyncio
import http.client
import statistics
import time
from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from tests.bench.cpu import cpu_s
from tests.bench.matcher_load import administrator
from tests.bench.matcher_stack import Fleet, Machine, execute
from weyl.kit.db import libpq_dsn

CLAIMS = 4_000
CLAIM_TABLE = (
    "CREATE TABLE IF NOT EXISTS bench_claims (job_id bigint PRIMARY KEY, taken boolean NOT NULL DEFAULT false)",
    "TRUNCATE bench_claims",
    "INSERT INTO bench_claims (job_id) SELECT number FROM generate_series(1, 100000) AS number",
    "ANALYZE bench_claims",
)
CLAIM = """
    UPDATE bench_claims SET taken = true
    WHERE job_id = (SELECT job_id FROM bench_claims WHERE NOT taken LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING job_id
"""
QUEUE = (
    "CREATE TABLE bench_queue AS SELECT job_id, class_ids[1] AS class_id FROM jobs WHERE status = 'Waiting'",
    "ALTER TABLE bench_queue ADD PRIMARY KEY (class_id, job_id)",
    "ANALYZE bench_queue",
    "DROP TABLE bench_queue",
)
USERINFO = "/api/auth/userinfo"


def bare_claims(on: Machine, *, clients: int) -> dict[str, Any]:
    """Claim jobs of a table one by one over as many connections as there are pilots; returns what one claim cost."""
    asyncio.run(execute(on.postgres.url, *CLAIM_TABLE))
    return asyncio.run(_claims(on, clients))


async def _claims(on: Machine, clients: int) -> dict[str, Any]:
    assert on.postgres.pid is not None
    connections = [await asyncpg.connect(libpq_dsn(on.postgres.url)) for _ in range(clients)]
    turns = iter(range(CLAIMS))

    async def claim(connection: asyncpg.Connection) -> None:
        for _ in turns:
            assert await connection.fetchval(CLAIM) is not None

    began, before = time.perf_counter(), (time.process_time(), cpu_s(on.postgres.pid))
    await asyncio.gather(*(claim(connection) for connection in connections))
    after, seconds = (time.process_time(), cpu_s(on.postgres.pid)), time.perf_counter() - began
    for connection in connections:
        await connection.close()
    cpu_ms = [(late - early) / CLAIMS * 1e3 for early, late in zip(before, after, strict=True)]
    return {"cpu_ms": cpu_ms, "wall_ms": seconds / CLAIMS * 1e3}


def bare_queue_s(on: Machine) -> float:
    """Return the seconds that PostgreSQL takes for a table of the waiting jobs with its key."""
    began = time.perf_counter()
    asyncio.run(execute(on.postgres.url, *QUEUE))
    return time.perf_counter() - began


def get_ms(on: Machine, serving: Fleet, paths: Sequence[str], *, statuses: Collection[int] = (200,)) -> list[float]:
    """Ask for one path after the other, over one connection; returns the milliseconds of each."""
    line = http.client.HTTPConnection(*serving.addresses[0])
    headers = {"Authorization": f"Bearer {administrator(on.keys)}"}
    taken = []
    for path in paths:
        began = time.perf_counter()
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        answer.read()
        taken.append((time.perf_counter() - began) * 1e3)
        assert answer.status in statuses, answer.status
    line.close()
    return taken


def userinfo_ms(on: Machine, serving: Fleet, *, times: int = 100) -> float:
    """Return the median milliseconds of the cheapest route that takes a token."""
    return statistics.median(get_ms(on, serving, [USERINFO] * times))
