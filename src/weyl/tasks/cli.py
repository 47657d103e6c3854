"""`weyl tasks`: background work, its schedules and locks, and what failed."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Document, Ids, Result, Rows
from weyl.tasks import calls

app = typer.Typer(help="Look after background work.", no_args_is_help=True, rich_markup_mode=None)
dead = typer.Typer(help="Look at tasks that failed for the last time.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(dead, name="dead")

LIMIT_MAX = 10_000
KINDS = ("name", "size", "priority", "rule", "waiting", "running", "dead")
SCHEDULES = ("task", "vo", "rule", "enabled", "next_at", "last_at")
LOCKS = ("key", "mode", "task", "since", "expires_at", "fencing")
LETTERS = ("id", "task", "vo", "attempts", "died_at", "error")

LetterIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Numbers of dead letters; - reads them.")]


def _limit(session: Session, default: int) -> int:
    return default if session.options.limit is None else min(session.options.limit or LIMIT_MAX, LIMIT_MAX)


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
    rows = session.client.send(calls.list_schedules(limit=_limit(session, 1000)))
    return Rows([row.model_dump() for row in rows], columns=SCHEDULES, id_column="task", unit="schedules")


@app.command("locks")
def list_locks(context: typer.Context) -> Result:
    """Lists the locks, and the places under limits, that running tasks have.

    Example: weyl tasks locks
    """
    session = session_of(context)
    rows = session.client.send(calls.list_locks(limit=_limit(session, 1000)))
    return Rows([row.model_dump() for row in rows], columns=LOCKS, id_column="key", unit="locks")


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
    rows = session.client.send(calls.list_dead_letters(task=task, limit=_limit(session, 100)))
    return Rows([row.model_dump() for row in rows], columns=LETTERS, id_column="id", unit="dead letters")


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
