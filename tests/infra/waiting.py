"""The one way in which tests wait for other processes, which give no signal that reaches us."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from tests.infra import pace

T = TypeVar("T")

PATIENCE_S = 60.0
POLL_S = 0.1
POLLS_SLOWLY_S = 1.0


class NotSeenInTime(AssertionError):
    """Something did not happen in time: it may be broken, or the machine was busy (see `second_try`)."""


def await_that(
    look: Callable[[], T],
    what: str,
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = POLL_S,
    explain: Callable[[], object] = lambda: "",
) -> T:
    """Look until there is something true to see, and return it; raises `NotSeenInTime` otherwise."""
    deadline = time.monotonic() + timeout_s * pace.factor()
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NotSeenInTime(_sentence(what, timeout_s, explain))
        time.sleep(poll_s)
    return seen


async def until(
    look: Callable[[], Awaitable[T]],
    what: str,
    *,
    timeout_s: float = PATIENCE_S,
    poll_s: float = 0.02,
    explain: Callable[[], object] = lambda: "",
) -> T:
    """Do the same without blocking the event loop, less often the longer it takes."""
    deadline, pause_s = time.monotonic() + timeout_s * pace.factor(), poll_s
    while not (seen := await look()):
        if time.monotonic() > deadline:
            raise NotSeenInTime(_sentence(what, timeout_s, explain))
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, POLLS_SLOWLY_S)
    return seen


@asynccontextmanager
async def in_time(what: str, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Bound a block that waits for a signal; raises `NotSeenInTime` where it does not come."""
    try:
        async with asyncio.timeout(timeout_s * pace.factor()) as bound:
            yield
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise NotSeenInTime(_sentence(what, timeout_s, lambda: "")) from error


def _sentence(what: str, timeout_s: float, explain: Callable[[], object]) -> str:
    return f"not seen in {timeout_s:g} s (times {pace.factor():g}): {what} {explain()}".rstrip()
