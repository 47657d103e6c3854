"""Coalesced writes: what arrives while a transaction is under way shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from weyl.kit.db import is_unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """Collects items while a batch is in flight and flushes them together.

    `flush` gets the items of one batch, runs one transaction, and returns one result an item, in order; a result that
    is an exception is raised for that caller alone. If `flush` itself raises, every item of the batch is tried by
    itself, so that a bad one fails alone; but not when the database is away, which is no item's fault: each would wait
    for it in turn, and what was perhaps committed would be done twice.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        batch_max: int = 256,
    ) -> None:
        self._flush = flush
        self._batch_max = batch_max
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Add an item to the next batch; returns its result once the batch is committed."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="weyl-coalescer")
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
            live = [entry for entry in batch if not entry[1].done()]
            if live:
                await self._run_batch(live)

    async def _run_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to the callers, each of which raises it
            if len(batch) == 1 or is_unavailable(error):
                for _, future in batch:
                    _settle(future, error)
                return
            for entry in batch:
                await self._run_batch([entry])
            return
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)


def _settle(future: "asyncio.Future[Result]", result: "Result | Exception") -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
