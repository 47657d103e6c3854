"""What a background task is: a name, how it is retried, and when it runs by itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Handler = Callable[[Any], Awaitable[None]]
"""Does one task; gets the payload that was enqueued, decoded. It may run twice, so it must be idempotent."""


@dataclass(frozen=True, slots=True)
class Task:
    """The declaration of a task; `every` or `cron` (five fields, UTC) make it run by itself.

    A task that names a `lock` is skipped while another run, on any worker, holds it.
    """

    name: str
    attempts_max: int = 5
    retry_delay_s: float = 1
    every: timedelta | None = None
    cron: str | None = None
    lock: str | None = None

    def __post_init__(self) -> None:
        if self.every is not None and self.cron is not None:
            raise ValueError(f"Task {self.name}: give `every` or `cron`, not both")

    def bind(self, handler: Handler) -> "BoundTask":
        """Return the task with the function that does it."""
        return BoundTask(self, handler)

    @property
    def rule(self) -> str | None:
        """Return the schedule as it is stored; none for a task that only runs when enqueued."""
        if self.every is not None:
            return f"every {self.every.total_seconds():g} s"
        return f"cron {self.cron}" if self.cron is not None else None


@dataclass(frozen=True, slots=True)
class BoundTask:
    """A task and what does it in this process."""

    task: Task
    handler: Handler
