"""Ends background loops of a process."""

import asyncio

ASK_AGAIN_S = 1.0


async def end_task(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait for its end; one that lost the cancellation in a library is asked again."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=ASK_AGAIN_S)
