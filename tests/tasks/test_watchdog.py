"""A blocked event loop is reported once, with the place where it is blocked."""

import asyncio
import time

import structlog.testing

from weyl.tasks.watchdog import Watchdog


def block_here(until: float) -> None:
    """Hold the loop up."""
    while time.monotonic() < until:
        time.sleep(0.01)


async def test_a_blocked_loop_is_reported_with_its_stack() -> None:
    with structlog.testing.capture_logs() as logs, Watchdog(blocked_s=0.2).watching():
        await asyncio.sleep(0)
        block_here(time.monotonic() + 1)
        await asyncio.sleep(0)
    (line,) = logs
    assert line["event"] == "loop.blocked"
    assert "block_here" in line["stack"]


async def test_a_loop_that_turns_is_not_reported() -> None:
    with structlog.testing.capture_logs() as logs, Watchdog(blocked_s=1).watching():
        for _ in range(20):
            await asyncio.sleep(0.01)
    assert logs == []
