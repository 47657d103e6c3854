"""`weyl tasks`: background work, its schedules and locks, and what failed; `weyl operations`: what was ordered."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, EndedInFailure, Interrupted, StillWaiting, UsageFault
from weyl.client.paging import Head
from weyl.client.results import Document, Done, Ids, Result, Rows
from weyl.client.times import parse_span
from weyl.tasks import calls
from weyl.tasks.models import Operation, OperationState

app = typer.Typer(help="Look after background work.", no_args_is_help=True, rich_markup_mode=None)
dead = typer.Typer(help="Look at tasks that failed for the last time.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dead, name="dead")
operations = typer.Typer(
    help="""Follows what was ordered for very many things at once.

Example: weyl operations list
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LIMIT_MAX = 10_000
KINDS = ("name", "size", "priority", "runs", "waiting", "running", "dead")
SCHEDULES = ("task", "vo", "runs", "enabled", "next_at", "last_at")
LOCKS = ("key", "mode", "task", "since", "expires_at", "fencing")
OPERATIONS = ("operation_id", "kind", "state", "done", "failed", "total", "created", "created_by")
OPERATIONS_MAX = 1_000
PAUSE_MIN_S, PAUSE_MAX_S = 0.3, 5.0
LETTERS = ("id", "task", "vo", "attempts", "died_at", "error")

OperationId = Annotated[str, typer.Argument(metavar="ID", help="Id of an operation.")]
LetterIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Numbers of dead letters; - reads them.")]


def _head(session: Session, default: int, most: int = LIMIT_MAX) -> Head:
    return Head(session.rows_wanted(default) or 0, most)


def _rows(head: Head, answer: Sequence[BaseModel], columns: Sequence[str], *, id_column: str, unit: str) -> Rows:
    """Return the first rows of a list, and whether there are more."""
    rows = [each.model_dump(mode="json") for each in head.rows(answer)]
    return Rows(rows, columns=columns, id_column=id_column, unit=unit, has_more=lambda: head.has_more(answer))


@app.command("list")
def list_tasks(context: typer.Context) -> Result:
    """Lists the tasks that workers know, and how many of each wait, run and are dead.

    Example: weyl tasks list
    """
    kinds = session_of(context).client.send(calls.list_tasks())
    return Rows([kind.model_dump() for kind in kinds], columns=KINDS, id_column="name", unit="tasks")


@app.command("schedules")
def list_schedules(context: typer.Context) -> Result:
    """Lists when tasks run by themselves, for the installation and for each VO.

    Example: weyl tasks schedules
    """
    session = session_of(context)
    head = _head(session, 1000)
    answer = session.client.send(calls.list_schedules(limit=head.asked))
    return _rows(head, answer, SCHEDULES, id_column="task", unit="schedules")


@app.command("locks")
def list_locks(context: typer.Context) -> Result:
    """Lists the locks, and the places under limits, that running tasks have.

    Example: weyl tasks locks
    """
    session = session_of(context)
    head = _head(session, 1000)
    answer = session.client.send(calls.list_locks(limit=head.asked))
    return _rows(head, answer, LOCKS, id_column="key", unit="locks")


@app.command("run")
def run_task(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the task.")],
    payload: Annotated[str | None, typer.Argument(help="What it gets, as JSON.")] = None,
    vo: Annotated[str | None, typer.Option("--vo", help="VO to run it for.")] = None,
) -> Result:
    """Runs a task once, as soon as a worker is free.

    Example: weyl tasks run jobs.fold_counts
    """
    call = calls.run_task(name, parse_payload(payload), vo=vo)
    started = session_of(context).client.send(call)
    return Ids([started.id], f"{name} will run as task {started.id}", document=started.model_dump())


def parse_payload(text: str | None) -> Any:
    """Return the document in the text of an argument; none without one."""
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise UsageFault(f"The payload is not JSON: {error}", hint="""quote it: '{"vo": "testvo"}'""") from error


@dead.command("list")
def list_dead_letters(
    context: typer.Context,
    task: Annotated[str | None, typer.Option("--task", help="Only those of this task.")] = None,
) -> Result:
    """Lists the tasks that failed for the last time, the newest first.

    Example: weyl tasks dead list --task sandboxes.verify
    """
    session = session_of(context)
    head = _head(session, 100)
    answer = session.client.send(calls.list_dead_letters(task=task, limit=head.asked))
    return _rows(head, answer, LETTERS, id_column="id", unit="dead letters")


@dead.command("show")
def show_dead_letter(
    context: typer.Context, letter_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the dead letter.")]
) -> Result:
    """Shows a dead letter: what it got, why it failed, and when it was tried.

    Example: weyl tasks dead show 4711
    """
    letter = session_of(context).client.send(calls.get_dead_letter(letter_id))
    return Document(letter.model_dump(), ids=[letter.id])


@dead.command("replay")
def replay_dead_letters(context: typer.Context, letter_ids: LetterIds) -> Result:
    """Runs dead letters once more, with all their attempts before them.

    Example: weyl tasks dead replay 4711
    """
    session = session_of(context)
    started, failed = _each(session, letter_ids, lambda each: session.client.send(calls.replay_dead_letter(each)).id)
    return Ids(started, f"{len(started)} tasks will run again", failed=failed)


@dead.command("discard")
def discard_dead_letters(context: typer.Context, letter_ids: LetterIds) -> Result:
    """Removes dead letters for good.

    Example: weyl tasks dead discard 4711 --yes
    """
    session = session_of(context)
    numbers = session.read_ids(letter_ids)
    session.confirm("discard", len(numbers))

    def discard(letter_id: int) -> int:
        session.client.send(calls.discard_dead_letter(letter_id))
        return letter_id

    gone, failed = _each(session, [str(number) for number in numbers], discard)
    return Ids(gone, f"{len(gone)} dead letters discarded", failed=failed)


def _each(session: Session, words: list[str], act: Callable[[int], int]) -> tuple[list[int], dict[Any, str]]:
    done: list[int] = []
    failed: dict[Any, str] = {}
    for word in session.read_ids(words):
        try:
            done.append(act(int(word)))
        except ValueError:
            failed[word] = "not a number"
        except ClientError as error:
            if len(words) == 1:
                raise
            failed[word] = str(error)
    return done, failed


@operations.command("list")
def list_operations(
    context: typer.Context,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Also those of others, as far as you administer them.")
    ] = False,
) -> Result:
    """Lists operations, the newest first: what was ordered, and how far it has come.

    Example: weyl operations list
    """
    session = session_of(context)
    head = _head(session, 100, OPERATIONS_MAX)
    answer = session.client.send(calls.list_operations(everybody=everybody, limit=head.asked))
    return _rows(head, answer, OPERATIONS, id_column="operation_id", unit="operations")


@operations.command("show")
def show_operation(context: typer.Context, operation_id: OperationId) -> Result:
    """Shows how far an operation has come, and the first things to which it could not be done.

    Example: weyl operations show 01890a5d-ac96-774b-bcce-b302099a8057
    """
    found = session_of(context).client.send(calls.get_operation(operation_id))
    return Document(found.model_dump(mode="json"), ids=[str(found.operation_id)])


@operations.command("cancel")
def cancel_operation(context: typer.Context, operation_id: OperationId) -> Result:
    """Lets an operation do no more: before it begins nothing is changed, later what was done stays done.

    Example: weyl operations cancel 01890a5d-ac96-774b-bcce-b302099a8057
    """
    found = session_of(context).client.send(calls.cancel_operation(operation_id))
    return Done(f"{found.detail}.", document=found.model_dump(mode="json"))


@operations.command("wait")
def wait(
    context: typer.Context,
    operation_id: OperationId,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="SPAN", help="Give up after this, as 2h.")] = None,
) -> Result:
    """Waits until an operation has ended: exit 0 if all was done, 7 if not to all, 9 if it was cancelled or failed.

    Example: weyl operations wait 01890a5d-ac96-774b-bcce-b302099a8057
    """
    session = session_of(context)
    timeout_s = parse_span(timeout).total_seconds() if timeout else None
    return ended(wait_for(session, operation_id, timeout_s=timeout_s))


def wait_for(session: Session, operation_id: str, *, timeout_s: float | None = None) -> Operation:
    """Wait until an operation has ended, saying how far it has come."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s, before = PAUSE_MIN_S, ""
    try:
        while True:
            found = session.client.send(calls.get_operation(operation_id))
            if found.ended_at is not None:
                return found
            told = progress(found, datetime.now(UTC))
            if told != before:
                session.say(told)
            pause_s = PAUSE_MIN_S if told != before else min(pause_s * 1.5, PAUSE_MAX_S)
            before = told
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise StillWaiting(f"Not there yet: {told}", hint="The operation goes on.")
            time.sleep(pause_s if left_s is None else min(pause_s, left_s))
    except KeyboardInterrupt:
        raise Interrupted(
            "Stopped waiting; the operation goes on.",
            hint=f"Come back: weyl operations wait {operation_id}; or end it: weyl operations cancel {operation_id}",
        ) from None


def progress(found: Operation, now: datetime) -> str:
    """Say how far an operation has come."""
    left_s = round((found.starts_at - now).total_seconds())
    if found.state is OperationState.WAITING and left_s > 0:
        return f"{found.kind}: begins in {left_s} s; until then: weyl operations cancel {found.operation_id}"
    failed = f", {found.failed:,} failed" if found.failed else ""
    return f"{found.kind}: {found.done:,} of {found.total:,} done{failed}"


def ended(found: Operation) -> Result:
    """Return what there is to say of an operation that has ended, or raise how it failed."""
    said = f"{found.kind}: {found.done:,} of {found.total:,} done."
    if found.state is not OperationState.DONE:
        raise EndedInFailure(f"{said} {found.detail or found.state}", hint="", details=found.model_dump(mode="json"))
    failed: dict[Any, str] = {each.id: each.reason for each in found.errors}
    if found.failed > len(failed):
        failed["..."] = f"and {found.failed - len(failed):,} more"
    return Document(found.model_dump(mode="json"), text=said, ids=[str(found.operation_id)], failed=failed)
