"""The same work done bare: statements that a program sends to the same PostgreSQL, without a server between.

Where the peer cannot be had, the API is judged over these: HTTP, tokens, policy and validation cost no more than so
many times the statement itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx2
import orjson

from tests.bench.cpu import cpu_s
from tests.bench.stack import BenchStack
from tests.bench.verdicts import Line, Sample, times
from weyl.kit.clock import iso_z, utcnow
from weyl.kit.db import libpq_dsn

COLUMNS = {
    "JobID": "job_id",
    "Status": "status",
    "MinorStatus": "minor_status",
    "ApplicationStatus": "application_status",
}
COLUMNS |= {"JobGroup": "job_group", "Site": "site", "JobName": "job_name", "Owner": "owner"}
COLUMNS |= {"LastUpdateTime": "last_update_time"}
SELECTED = ", ".join(f'{column} AS "{name}"' for name, column in COLUMNS.items())
PAGE = f"SELECT {SELECTED} FROM jobs WHERE vo = 'hep' ORDER BY job_id LIMIT $1"
ONE = f"SELECT {SELECTED} FROM jobs WHERE vo = 'hep' AND job_id = $1"
MOVE = """
    WITH moved AS (
        UPDATE jobs SET status = 'Checking', minor_status = $2, last_update_time = now() WHERE job_id = ANY($1)
        RETURNING job_id, status, minor_status, application_status
    )
    INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)
    SELECT job_id, now(), status, minor_status, application_status, 'bare' FROM moved
"""
# How many times the statement alone: CPU of server and database.
BOUNDS = {"page of 100": 9.0, "page of 10,000": 2.0, "one job by id": 40.0, "status of 100 jobs": 6.0}
Act = Callable[[int], Awaitable[object]]


@dataclass
class Bare:
    """A connection of our own beside a client of the server's."""

    running: BenchStack
    connection: asyncpg.Connection
    client: httpx2.AsyncClient
    ids: Sequence[int]

    async def cost(self, act: Act, times_done: int, program_s: Callable[[], float]) -> Sample:
        """Do something so many times; returns milliseconds of the program's CPU and of the database's, each time."""
        before = program_s(), self.database_s()
        for number in range(times_done):
            await act(number)
        after = program_s(), self.database_s()
        return tuple((late - early) * 1e3 / times_done for early, late in zip(before, after, strict=True))

    def server_s(self) -> float:
        """Return the CPU seconds of the server."""
        return cpu_s(self.running.server_pid)

    def database_s(self) -> float:
        """Return the CPU seconds of the database, where it is ours."""
        pid = self.running.database_pid
        return 0.0 if pid is None else cpu_s(pid)

    def pairs(self) -> dict[str, tuple[int, Act, Act]]:
        """Return for each line how often, what we do, and what is done bare."""
        first = [str(job_id) for job_id in self.ids[:100]]

        async def search(body: dict[str, Any], per_page: int) -> None:
            answer = await self.client.post(
                "/api/jobs/search", json={"parameters": list(COLUMNS), **body}, params={"per_page": per_page}
            )
            assert answer.status_code in (200, 206), answer.text

        async def fetch(query: str, *arguments: object) -> None:
            orjson.dumps([dict(row) for row in await self.connection.fetch(query, *arguments)])

        def one(number: int) -> Awaitable[None]:
            job_id = self.ids[number % len(self.ids)]
            return search({"search": [{"parameter": "JobID", "operator": "eq", "value": job_id}]}, 100)

        async def move(number: int) -> None:
            change = {
                iso_z(utcnow()): {"Status": "Checking", "MinorStatus": f"{time.monotonic_ns()}", "Source": "bench"}
            }
            answer = await self.client.patch("/api/jobs/status", json=dict.fromkeys(first, change))
            assert answer.status_code == 200, answer.text

        return {
            "page of 100": (60, lambda _: search({}, 100), lambda _: fetch(PAGE, 100)),
            "page of 10,000": (5, lambda _: search({}, 10_000), lambda _: fetch(PAGE, 10_000)),
            "one job by id": (60, one, lambda n: fetch(ONE, self.ids[n % len(self.ids)])),
            "status of 100 jobs": (
                10,
                move,
                lambda n: self.connection.execute(MOVE, self.ids[:100], f"{time.monotonic_ns()}"),
            ),
        }


async def _judge(running: BenchStack, turns: int) -> list[Line]:
    connection = await asyncpg.connect(libpq_dsn(running.stack.environment["WEYL_DATABASE_URL"]))
    ids = [row["job_id"] for row in await connection.fetch("SELECT job_id FROM jobs ORDER BY job_id DESC LIMIT 1000")]
    headers = dict(running.client().headers)
    lines = []
    async with httpx2.AsyncClient(base_url=running.stack.url, headers=headers, timeout=120) as client:
        bare = Bare(running, connection, client, ids)
        for name, (times_done, ours, alone) in bare.pairs().items():
            runs = [
                (
                    await bare.cost(ours, times_done, bare.server_s),
                    await bare.cost(alone, times_done, time.process_time),
                )
                for _ in range(turns + 1)
            ]
            lines.append(times(name, runs[1:], over="bare", of="ms", at_most=BOUNDS[name]))
    await connection.close()
    return lines


def judge(running: BenchStack, *, turns: int) -> list[Line]:
    """Measure in turn, after a first time that does not count."""
    return asyncio.run(_judge(running, turns))
