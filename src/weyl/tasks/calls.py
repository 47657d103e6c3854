"""The client's calls on background work."""

from typing import Any
from uuid import UUID

from weyl.kit.call import Call, segment
from weyl.tasks.models import DeadLetter, DeadLetterDetails, Enqueued, HeldLock, Operation, RunOrder, Schedule, TaskKind


def list_tasks() -> Call[list[TaskKind]]:
    """Ask for the tasks that workers know."""
    return Call("GET", "/api/tasks", returns=list[TaskKind])


def list_schedules(*, limit: int = 1000) -> Call[list[Schedule]]:
    """Ask for when tasks run by themselves."""
    return Call("GET", "/api/tasks/schedules", returns=list[Schedule], query={"limit": limit})


def list_locks(*, limit: int = 1000) -> Call[list[HeldLock]]:
    """Ask for the locks that running tasks hold."""
    return Call("GET", "/api/tasks/locks", returns=list[HeldLock], query={"limit": limit})


def run_task(name: str, payload: Any = None, *, vo: str | None = None) -> Call[Enqueued]:
    """Ask for one run of a task."""
    return Call("POST", f"/api/tasks/{segment(name)}/run", returns=Enqueued, body=RunOrder(payload=payload, vo=vo))


def list_dead_letters(*, task: str | None = None, limit: int = 100) -> Call[list[DeadLetter]]:
    """Ask for the tasks that failed for the last time."""
    return Call("GET", "/api/tasks/dead", returns=list[DeadLetter], query={"task": task, "limit": limit})


def get_dead_letter(letter_id: int) -> Call[DeadLetterDetails]:
    """Ask for one dead letter with its payload, traceback and attempts."""
    return Call("GET", f"/api/tasks/dead/{letter_id}", returns=DeadLetterDetails)


def replay_dead_letter(letter_id: int) -> Call[Enqueued]:
    """Ask for a dead letter to be enqueued once more."""
    return Call("POST", f"/api/tasks/dead/{letter_id}/replay", returns=Enqueued)


def discard_dead_letter(letter_id: int) -> Call[None]:
    """Ask for a dead letter to be removed for good."""
    return Call("DELETE", f"/api/tasks/dead/{letter_id}")


def list_operations(*, everybody: bool = False, limit: int = 100) -> Call[list[Operation]]:
    """Ask for the operations that one has ordered, or for all of the VO that one administers."""
    query = {"everybody": everybody, "limit": limit}
    return Call("GET", "/api/operations", returns=list[Operation], query=query)


def get_operation(operation_id: UUID | str) -> Call[Operation]:
    """Ask how far an operation has come."""
    return Call("GET", f"/api/operations/{segment(operation_id)}", returns=Operation)


def cancel_operation(operation_id: UUID | str) -> Call[Operation]:
    """Ask for an operation to do no more; what it has done stays done."""
    return Call("DELETE", f"/api/operations/{segment(operation_id)}", returns=Operation)
