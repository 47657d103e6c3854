"""A queue as plain as PostgreSQL allows, as a baseline: rows are taken with SKIP LOCKED, and removed when done."""

import asyncio
import statistics
import time
from dataclasses import dataclass

import asyncpg

from tests.bench.cpu import cpu_s
from tests.bench.verdicts import Sample

BATCH = 50
"""As many as the engine takes in one statement."""
TABLE = """
    CREATE TABLE bare_queue (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL DEFAULT 'queued', payload jsonb
    )
"""
ENQUEUE = "INSERT INTO bare_queue (payload) SELECT to_jsonb(number) FROM generate_series(1, $1) AS number"
TAKE = """
    UPDATE bare_queue SET status = 'picked' WHERE id IN (
        SELECT id FROM bare_queue WHERE status = 'queued' ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    ) RETURNING id, payload
"""
DONE = "DELETE FROM bare_queue WHERE id = ANY($1)"


@dataclass(frozen=True)
class BareQueue:
    """The queue, with one connection to work and one to listen."""

    working: asyncpg.Connection
    listening: asyncpg.Connection
    database_pid: int

    @classmethod
    async def create(cls, working: asyncpg.Connection, listening: asyncpg.Connection, database_pid: int) -> "BareQueue":
        """Make the table."""
        await working.execute(TABLE)
        return cls(working, listening, database_pid)

    async def drain(self, count: int) -> tuple[Sample, float]:
        """Fill and empty it; returns milliseconds of CPU per row, of this process and the database, and rows/s.

        It begins as an empty table: dead rows of earlier times would be its cost and no baseline.
        """
        await self.working.execute("TRUNCATE bare_queue")
        await self.working.execute(ENQUEUE, count)
        began, before = time.perf_counter(), (time.process_time(), cpu_s(self.database_pid))
        while rows := await self.working.fetch(TAKE, BATCH):
            await self.working.execute(DONE, [row["id"] for row in rows])
        after, seconds = (time.process_time(), cpu_s(self.database_pid)), time.perf_counter() - began
        return tuple((late - early) / count * 1e3 for early, late in zip(before, after, strict=True)), count / seconds

    async def start_ms(self, samples: int) -> float:
        """Return how long after its insertion a row is taken by one who listens, the median of some."""
        told: asyncio.Queue[object] = asyncio.Queue()

        def hear(*_: object) -> None:
            told.put_nowait(None)

        await self.listening.add_listener("bare_queue", hear)
        waits = []
        for _ in range(samples):
            began = time.perf_counter()
            async with self.working.transaction():
                await self.working.execute(ENQUEUE, 1)
                await self.working.execute("NOTIFY bare_queue")
            await told.get()
            rows = await self.listening.fetch(TAKE, 1)
            waits.append((time.perf_counter() - began) * 1e3)
            await self.listening.execute(DONE, [row["id"] for row in rows])
        await self.listening.remove_listener("bare_queue", hear)
        return statistics.median(waits)
