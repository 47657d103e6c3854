"""`weyl task-queues`: what waits, by requirement class."""

from typing import Annotated

import typer

from weyl.client.command import session_of
from weyl.client.paging import Head
from weyl.client.results import Document, Done, Result, Rows
from weyl.task_queues import calls

app = typer.Typer(name="task-queues", help="Look at the waiting jobs by what they need.", no_args_is_help=True)

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
COLUMNS = (
    *("class_id", "waiting", "waiting_since", "owner_group", "owner", "job_type", "user_priority", "first_job_id"),
    "sites",
)
LIMITS = ("limit", "jobs", "jobs_max", "cores", "cores_max", "delay_s", "open")
SHARES = ("rank", "group", "share", "usage", "usage_by_share", "waiting")


@app.command("list")
def list_task_queues(context: typer.Context) -> Result:
    """List the classes of your VO that have waiting jobs, the longest first.

    Example: weyl task-queues list
    """
    session = session_of(context)
    head = Head(session.rows_wanted(LIMIT_DEFAULT) or 0, LIMIT_MAX)
    queues = session.client.send(calls.list_task_queues(limit=head.asked))
    rows = [
        {**queue.model_dump(), "sites": ", ".join(queue.document.get("sites") or ["any"])}
        for queue in head.rows(queues)
    ]
    return Rows(rows, columns=COLUMNS, id_column="class_id", unit="task queues", has_more=lambda: head.has_more(queues))


@app.command()
def show(context: typer.Context, class_id: Annotated[int, typer.Argument(help="Number of the class.")]) -> Result:
    """Show one class: its requirements as pilots are measured by them, and how many jobs wait.

    Example: weyl task-queues show 12
    """
    queue = session_of(context).client.send(calls.get_task_queue(class_id))
    return Document(queue.model_dump(), ids=[queue.class_id])


@app.command("limits")
def list_limits(context: typer.Context) -> Result:
    """List the limits on what runs at once in your VO, and how much of each is used.

    Example: weyl task-queues limits
    """
    limits = session_of(context).client.send(calls.list_limits())
    return Rows(limits, columns=LIMITS, id_column="limit", unit="limits")


@app.command("shares")
def list_shares(context: typer.Context) -> Result:
    """List the groups of your VO in the order of service: those first that have used least of their share.

    Example: weyl task-queues shares
    """
    shares = session_of(context).client.send(calls.list_shares())
    return Rows(shares, columns=SHARES, id_column="group", unit="groups")


@app.command()
def rebuild(context: typer.Context) -> Result:
    """Make the queue anew from the waiting jobs; matching pauses meanwhile.

    Example: weyl task-queues rebuild --yes
    """
    session = session_of(context)
    session.confirm("rebuild the task queues", 1)
    made = session.client.send(calls.rebuild_task_queues())
    return Done(f"{made.jobs} waiting jobs in {made.classes} task queues", document=made.model_dump())
