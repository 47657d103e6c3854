"""What the API tells of tasks, schedules, locks and dead letters."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from weyl.kit.bounds import ClosedModel, Name


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

    ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(fail_fast=True)] = Field(
        min_length=1, max_length=10_000
    )


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
