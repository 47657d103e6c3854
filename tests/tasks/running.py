"""What the suites of the task layer share: handlers that tell when they were called, and workers that run meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from tests.infra import waiting

from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Run
from weyl.tasks.engine import Worker
from weyl.tasks.options import Options

WAIT_S = 30


class Recorder:
    """A handler that keeps what it got, fails as often as it is told, and says when it got enough."""

    def __init__(self, *, failures: int = 0, enough: int = 1, error: Exception | None = None) -> None:
        self.payloads: list[Any] = []
        self.runs: list[Run] = []
        self.called = asyncio.Event()
        self._failures = failures
        self._enough = enough
        self._error = error or RuntimeError("not yet")

    async def __call__(self, payload: Any, run: Run) -> None:
        self.payloads.append(payload)
        self.runs.append(run)
        if len(self.payloads) <= self._failures:
            raise self._error
        if len(self.payloads) - self._failures >= self._enough:
            self.called.set()

    async def wait(self) -> None:
        """Return once enough calls succeeded."""
        await asyncio.wait_for(self.called.wait(), WAIT_S)


class Gate:
    """A handler that stays until it is let go, and counts how many are inside."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.done = 0
        self.runs: list[Run] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, payload: Any, run: Run) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.runs.append(run)
        self.entered.set()
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
            self.done += 1


@asynccontextmanager
async def working(
    db: Database, tasks: Sequence[BoundTask], *, workers: int = 1, options: Options | None = None, **more: Any
) -> AsyncIterator[list[Worker]]:
    """Run workers during the block, and let them finish at its end."""
    if options is not None:
        more["options"] = lambda: options
    crew = [Worker(db, tasks, **more) for _ in range(workers)]
    running = [asyncio.create_task(worker.run()) for worker in crew]
    try:
        yield crew
    finally:
        for worker in crew:
            worker.stop()
        await asyncio.wait_for(asyncio.gather(*running), WAIT_S)


async def until(db: Database, query: str, is_so: Callable[[Any], bool] = bool) -> Any:
    """Ask the database until the answer is as wanted."""
    answer: Any = None

    async def holds() -> bool:
        nonlocal answer
        async with db.read() as tx:
            answer = await tx.scalar(text(query))
        return is_so(answer)

    await waiting.until(holds, query, timeout_s=WAIT_S, explain=lambda: answer)
    return answer


async def is_empty(db: Database) -> None:
    """Return once the queue is empty."""
    await until(db, "SELECT count(*) FROM pgqueuer", lambda count: count == 0)
