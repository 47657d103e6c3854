"""Background work over HTTP: tasks for administrators of services, operations for those who ordered them."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx, json_response, page_response
from weyl.kit.search import PER_PAGE_MAX, SearchParams
from weyl.tasks import operations, service
from weyl.tasks.errors import DeadLetterNotFound, OperationNotFound
from weyl.tasks.models import (
    DeadLetter,
    DeadLetterDetails,
    Enqueued,
    HeldLock,
    LetterIds,
    Operation,
    Replayed,
    RunOrder,
    Schedule,
    TaskKind,
)
from weyl.tasks.policy import may_keep, may_view_operations
from weyl.tasks.queries import locks, outcomes, schedules
from weyl.tasks.queries import operations as operation_queries
from weyl.tasks.wording import rule_in_words

router = APIRouter(prefix="/api/tasks", tags=["tasks"])
operations_router = APIRouter(prefix="/api/operations", tags=["operations"])

Limit = Annotated[int, Query(ge=1, le=10_000)]
LetterId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("", operation_id="tasks_list", response_model=list[TaskKind])
async def list_tasks(user: CurrentUser, tx: ReadTx) -> Response:
    """Answer with the tasks that workers know, and how many of each wait, run and are dead."""
    return json_response(_with_words(await schedules.select_kinds(tx, may_keep(user))))


@router.get("/schedules", operation_id="tasks_list_schedules", response_model=list[Schedule])
async def list_schedules(user: CurrentUser, tx: ReadTx, limit: Limit = 1000) -> Response:
    """Answer with when tasks run by themselves, for the installation and for each VO."""
    return json_response(_with_words(await schedules.select_schedules(tx, may_keep(user), limit=limit)))


def _with_words(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "runs": rule_in_words(row["rule"])} for row in rows]


@router.get("/locks", operation_id="tasks_list_locks", response_model=list[HeldLock])
async def list_locks(user: CurrentUser, tx: ReadTx, limit: Limit = 1000) -> Response:
    """Answer with the locks, and the places under limits, that running tasks have."""
    return json_response(await locks.select_locks(tx, may_keep(user), limit=limit))


@router.get("/dead", operation_id="tasks_list_dead", response_model=list[DeadLetter])
async def list_dead_letters(
    user: CurrentUser,
    tx: ReadTx,
    task: Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")] = None,
    limit: Limit = 100,
) -> Response:
    """Answer with the tasks that failed for the last time, the newest first."""
    return json_response(await outcomes.select_dead_letters(tx, may_keep(user), task=task, limit=limit))


@router.post(
    "/dead/search",
    operation_id="tasks_search_dead",
    response_model=list[dict[str, Any]],
    responses={206: {"model": list[dict[str, Any]], "headers": {"Content-Range": {"schema": {"type": "string"}}}}},
)
async def search_dead_letters(
    user: CurrentUser,
    tx: ReadTx,
    params: SearchParams | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=PER_PAGE_MAX)] = 100,
) -> Response:
    """Find dead letters by any of their columns; one page at a time, the newest first unless told otherwise."""
    keeper = may_keep(user)
    found = await service.search_dead(tx, keeper, params or SearchParams(), page=page, per_page=per_page)
    return page_response(found.rows, page=page, per_page=per_page, total=found.total, unit="letters")


@router.post("/dead/replay", operation_id="tasks_replay_dead_bulk")
async def replay_dead_letters(letters: LetterIds, user: CurrentUser, tx: WriteTx) -> Replayed:
    """Enqueue dead letters once more: all of them or, if one does not exist, none."""
    keeper = may_keep(user)
    ids = await service.replay(tx, keeper, letters.ids)
    return Replayed(ids=[task_id for task_id in ids if task_id is not None])


@router.post("/dead/discard", operation_id="tasks_discard_dead_bulk", status_code=204)
async def discard_dead_letters(letters: LetterIds, user: CurrentUser, tx: WriteTx) -> None:
    """Remove dead letters for good: all of them or, if one does not exist, none."""
    await service.discard(tx, may_keep(user), letters.ids)


@router.get("/dead/{letter_id}", operation_id="tasks_get_dead", response_model=DeadLetterDetails)
async def get_dead_letter(letter_id: LetterId, user: CurrentUser, tx: ReadTx) -> Response:
    """Answer with one dead letter: its payload, error, traceback and attempts."""
    found = await outcomes.select_dead_letter(tx, may_keep(user), letter_id)
    if found is None:
        raise DeadLetterNotFound(f"There is no dead letter {letter_id}")
    return json_response(found)


@router.post("/dead/{letter_id}/replay", operation_id="tasks_replay_dead")
async def replay_dead_letter(letter_id: LetterId, user: CurrentUser, tx: WriteTx) -> Enqueued:
    """Enqueue a dead letter once more."""
    keeper = may_keep(user)
    (task_id,) = await service.replay(tx, keeper, [letter_id])
    return Enqueued(id=task_id or 0)


@router.delete("/dead/{letter_id}", operation_id="tasks_discard_dead", status_code=204)
async def discard_dead_letter(letter_id: LetterId, user: CurrentUser, tx: WriteTx) -> None:
    """Remove a dead letter for good."""
    keeper = may_keep(user)
    await service.discard(tx, keeper, [letter_id])


@router.post("/{name}/run", operation_id="tasks_run", status_code=201)
async def run_task(
    name: Annotated[str, Path(max_length=128, pattern=r"^[\w.-]+$")],
    user: CurrentUser,
    tx: WriteTx,
    order: RunOrder | None = None,
) -> Enqueued:
    """Enqueue one run of a task now."""
    keeper = may_keep(user)
    return Enqueued(id=await service.run_by_hand(tx, keeper, name, order or RunOrder()))


@operations_router.get("", operation_id="operations_list", response_model=list[Operation])
async def list_operations(
    user: CurrentUser,
    tx: ReadTx,
    everybody: bool = False,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Answer with what the caller has ordered, the newest first, or (`everybody`) whatever the caller may see."""
    viewer = may_view_operations(user)
    return json_response(await operation_queries.select_operations(tx, viewer, everybody=everybody, limit=limit))


@operations_router.get("/{operation_id}", operation_id="operations_get", response_model=Operation)
async def get_operation(operation_id: UUID, user: CurrentUser, tx: ReadTx) -> Response:
    """Answer with how far an operation has come."""
    found = await operation_queries.select_operation(tx, may_view_operations(user), operation_id)
    if found is None:
        raise OperationNotFound(f"There is no operation {operation_id}")
    return json_response(found)


@operations_router.delete("/{operation_id}", operation_id="operations_cancel", response_model=Operation)
async def cancel_operation(operation_id: UUID, user: CurrentUser, tx: WriteTx, now: Now) -> Response:
    """Let an operation do no more: before it starts nothing has happened, later what was done stays done."""
    return json_response(await operations.cancel(tx, may_view_operations(user), operation_id, now))
