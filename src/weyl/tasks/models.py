"""What a background task is, and what the API tells of tasks, schedules, locks and dead letters."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, FailFast, Field

from weyl.kit.bounds import ClosedModel, Name
from weyl.kit.isolated import raising_failures

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

    def at_priority(self, priority: int) -> "Task":
        """Return the same task, to be enqueued with another priority."""
        return replace(self, priority=priority)

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


class TaskKind(BaseModel):
    """A task that workers know, and how many of it there are."""

    name: str
    size: str
    priority: int
    attempts_max: int
    rule: str | None
    runs: str | None
    """The rule in words."""
    per_vo: bool
    waiting: int
    running: int
    dead: int
    seen_at: datetime


class Schedule(BaseModel):
    """When a task runs by itself, for the installation (no VO) or for one VO."""

    task: str
    vo: str | None
    rule: str
    runs: str
    """The rule in words."""
    enabled: bool
    next_at: datetime | None
    last_at: datetime | None
    arguments: Any = None


class HeldLock(BaseModel):
    """A lock, or a place under a limit, that a running task has."""

    key: str
    mode: str
    task: str
    since: datetime
    expires_at: datetime
    fencing: int


class Attempt(BaseModel):
    """One failed attempt."""

    at: datetime
    error: str


class DeadLetter(BaseModel):
    """A task that failed for the last time."""

    id: int
    task: str
    vo: str | None
    error: str
    attempts: int
    enqueued_at: datetime
    died_at: datetime


class DeadLetterDetails(DeadLetter):
    """A dead letter with what is needed to understand it."""

    payload: Any
    traceback: str
    history: list[Attempt]


class RunOrder(BaseModel):
    """What a task is run with by hand."""

    payload: Any = None
    vo: Name | None = None


class Enqueued(BaseModel):
    """The task that was enqueued."""

    id: int


class LetterIds(ClosedModel):
    """Dead letters that something is done with."""

    ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], FailFast()] = Field(min_length=1, max_length=10_000)


class Replayed(BaseModel):
    """The tasks that dead letters became."""

    ids: list[int]


class OperationState(StrEnum):
    """How far an order about many things has come; the last three are its ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OperationError(BaseModel):
    """One thing to which it could not be done."""

    id: int
    reason: str


class Operation(BaseModel):
    """An order about many things, done in batches in the background, and how far it has come."""

    operation_id: UUID
    kind: str
    """What is done, as `jobs.kill`."""
    state: OperationState
    done: int
    failed: int
    total: int
    progress: float
    """How much of it is behind it, done or failed, in percent."""
    errors: list[OperationError]
    """The first ten things to which it could not be done."""
    detail: str | None = None
    """What there is to say of its end."""
    created_by: str
    created: datetime
    starts_at: datetime
    """Until then it can be cancelled without anything having been done."""
    ended_at: datetime | None = None


class OperationStarted(BaseModel):
    """The order that was taken; it begins at `starts_at`."""

    operation_id: UUID
    starts_at: datetime
