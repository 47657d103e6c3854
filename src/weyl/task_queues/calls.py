"""The client's calls on the task queues."""

from typing import Any

from weyl.kit.call import Call
from weyl.task_queues.models import Rebuilt, TaskQueue


def list_task_queues(*, limit: int = 100) -> Call[list[TaskQueue]]:
    """Ask for the classes that have waiting jobs, the longest first."""
    return Call("GET", "/api/task-queues", returns=list[TaskQueue], query={"limit": limit})


def get_task_queue(class_id: int) -> Call[TaskQueue]:
    """Ask for one class."""
    return Call("GET", f"/api/task-queues/{class_id}", returns=TaskQueue)


def rebuild_task_queues() -> Call[Rebuilt]:
    """Ask for the queue to be made anew from the waiting jobs."""
    return Call("POST", "/api/task-queues/rebuild", returns=Rebuilt, repeatable=False)


def list_limits() -> Call[list[dict[str, Any]]]:
    """Ask for the limits on what runs at once, and how much of each is used."""
    return Call("GET", "/api/matcher/limits", returns=list[dict[str, Any]])


def list_shares() -> Call[list[dict[str, Any]]]:
    """Ask for the groups in the order of service."""
    return Call("GET", "/api/matcher/shares", returns=list[dict[str, Any]])
