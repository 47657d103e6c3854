"""Coalesced writes: one flush for what arrives meanwhile, and a bad item fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from weyl.kit.coalesce import Coalescer


class Flush:
    """A flush that waits for the test, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.started.set()
        await self.go.wait()
        if 13 in items:
            raise ValueError("unlucky")
        return [KeyError(item) if item < 0 else item * 2 for item in items]


async def test_items_that_arrive_during_a_flush_share_the_next_one() -> None:
    flush = Flush()
    coalescer = Coalescer(flush)
    first = asyncio.create_task(coalescer.submit(1))
    await flush.started.wait()
    others = [asyncio.create_task(coalescer.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    flush.go.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert flush.batches == [[1], [2, 3, 4]]


async def test_a_batch_is_never_larger_than_its_limit() -> None:
    flush = Flush()
    flush.go.set()
    coalescer = Coalescer(flush, batch_max=2)
    assert await asyncio.gather(*(coalescer.submit(item) for item in range(5))) == [0, 2, 4, 6, 8]
    assert flush.batches == [[0, 1], [2, 3], [4]]


async def test_when_the_shared_flush_fails_each_is_tried_alone() -> None:
    flush = Flush()
    flush.go.set()
    coalescer = Coalescer(flush)
    results = await asyncio.gather(*(coalescer.submit(item) for item in (1, 13, 2)), return_exceptions=True)
    assert results[0::2] == [2, 4]
    assert isinstance(results[1], ValueError)


async def test_an_error_among_the_results_is_its_callers_alone() -> None:
    flush = Flush()
    flush.go.set()
    coalescer = Coalescer(flush)
    results = await asyncio.gather(coalescer.submit(-1), coalescer.submit(1), return_exceptions=True)
    assert isinstance(results[0], KeyError)
    assert results[1] == 2


async def test_a_caller_that_gave_up_does_not_hold_up_the_others() -> None:
    flush = Flush()
    coalescer = Coalescer(flush)
    first = asyncio.create_task(coalescer.submit(1))
    await flush.started.wait()
    gone = asyncio.create_task(coalescer.submit(2))
    last = asyncio.create_task(coalescer.submit(3))
    await asyncio.sleep(0)
    gone.cancel()
    flush.go.set()
    assert await asyncio.gather(first, last) == [2, 6]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert flush.batches == [[1], [3]]
