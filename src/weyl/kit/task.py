"""What a background task is: its declaration, and the function that does it in one process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from weyl.kit.bisected import raising_failures

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")

Handler = Callable[[Any], Awaitable[None]]
"""Does one task; gets the payload that was enqueued, decoded. It may run twice, so it must be idempotent."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that a task needs: `write` excludes everybody, `read` excludes writers only."""

    key: str
    mode: Literal["read", "write"] = "write"


@dataclass(frozen=True, slots=True)
class Run:
    """One delivery of a task, for handlers that want to know more than the payload."""

    task_id: int
    attempt: int
    vo: str | None = None
    fencing: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the locks that are held, by key: whoever took a lock later has a higher one."""


RunHandler = Callable[[Any, Run], Awaitable[None]]

IsNeeded = Callable[[Any], Awaitable[bool]]
"""Tells, by one cheap read in the given transaction, whether a scheduled run would find anything to do."""


@dataclass(frozen=True, slots=True)
class Task:
    """The declaration of a task; `every`, `cron` (five fields) or `rrule` (RFC 5545), in UTC, make it run by itself.

    A task that names a `lock` is skipped while another run, on any worker, holds it; one whose `locks` are taken waits.
    """

    name: str
    attempts_max: int = 5
    deaths_max: int = 5
    """A task whose worker died that often in the middle of it is not run again: it is a dead letter."""
    retry_delay_s: float = 1
    retry_factor: float = 2
    retry_delay_max_s: float = 300
    every: timedelta | None = None
    cron: str | None = None
    rrule: str | None = None
    per_vo: bool = False
    """Scheduled once for each VO, whose name is in the payload: `{"vo": ...}`."""
    lock: str | None = None
    locks: Callable[[Any], Sequence[Lock]] | None = None
    """Returns the locks that a run with this payload needs."""
    limits: Callable[[Any], Sequence[str]] | None = None
    """Returns the keys, such as `se:CERN-DISK`, whose limits in the configuration hold for a run with this payload."""
    priority: int = 0
    """Higher ones start first."""
    size: Size = "small"

    def __post_init__(self) -> None:
        if sum(rule is not None for rule in (self.every, self.cron, self.rrule)) > 1:
            raise ValueError(f"Task {self.name}: give one of `every`, `cron` and `rrule`, not both")

    def bind(self, handler: Handler, *, is_needed: "IsNeeded | None" = None) -> "BoundTask":
        """Return the task with the function that does it."""

        async def handle(payload: Any, _: Run | None = None) -> None:
            with raising_failures():
                await handler(payload)

        return BoundTask(self, handle, is_needed)

    def bind_run(self, handler: RunHandler, *, is_needed: "IsNeeded | None" = None) -> "BoundTask":
        """Return the task with a function that also gets the `Run`: attempt, VO and fencing numbers."""

        async def handle(payload: Any, run: Run) -> None:
            with raising_failures():
                await handler(payload, run)

        return BoundTask(self, handle, is_needed)

    @property
    def rule(self) -> str | None:
        """Return the schedule as it is stored; none for a task that only runs when enqueued."""
        if self.every is not None:
            return f"every {self.every.total_seconds():g} s"
        if self.cron is not None:
            return f"cron {self.cron}"
        return f"rrule {self.rrule}" if self.rrule is not None else None


@dataclass(frozen=True, slots=True)
class BoundTask:
    """A task and what does it in this process."""

    task: Task
    handler: RunHandler
    is_needed: "IsNeeded | None" = None
    """Asked each time that the schedule is due, in the scheduler's transaction: no run if there is nothing to do."""
