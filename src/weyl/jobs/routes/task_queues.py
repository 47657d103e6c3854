"""The task queues over HTTP, for administrators: here, because since when they wait stands in the rows of jobs."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from weyl.jobs.queries import waiting as queries
from weyl.jobs.service.waiting import rebuild
from weyl.kit.http import CurrentUser, ReadTx, WriteTx, json_response
from weyl.task_queues.errors import TaskQueueNotFound
from weyl.task_queues.models import Rebuilt, TaskQueue
from weyl.task_queues.policy import may_rebuild, may_see

router = APIRouter(prefix="/api/task-queues", tags=["task-queues"])


@router.get("", operation_id="task_queues_list", response_model=list[TaskQueue])
async def list_task_queues(
    user: CurrentUser, tx: ReadTx, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> Response:
    """Answer with the classes of the caller's VO that have waiting jobs, the longest first."""
    return json_response(await queries.select_task_queues(tx, may_see(user), limit=limit))


@router.get("/{class_id}", operation_id="task_queues_get", response_model=TaskQueue)
async def get_task_queue(class_id: int, user: CurrentUser, tx: ReadTx) -> Response:
    """Answer with one class of the caller's VO, waiting jobs or not."""
    scope = may_see(user)
    if not 0 < class_id < 2**31:
        raise TaskQueueNotFound(f"There is no task queue {class_id}")
    found = await queries.select_task_queue(tx, scope, class_id)
    if found is None:
        raise TaskQueueNotFound(f"There is no task queue {class_id}")
    return json_response(found)


@router.post("/rebuild", operation_id="task_queues_rebuild")
async def rebuild_task_queues(user: CurrentUser, tx: WriteTx) -> Rebuilt:
    """Make the queue anew from the waiting jobs; no match is answered meanwhile."""
    keeper = may_rebuild(user)
    waiting = await rebuild(tx, keeper)
    return Rebuilt(classes=len(waiting), jobs=sum(waiting.values()))
