"""`weyl pilots`: find pilots, count them, and read what they wrote."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from weyl.client.columns import (
    By,
    Columns,
    Condition,
    EveryColumn,
    Explain,
    Page,
    Parameter,
    PerPage,
    Sort,
    Where,
    largest_first,
)
from weyl.client.command import Session, session_of
from weyl.client.errors import NotFound
from weyl.client.results import Document, Result, Rows, Text
from weyl.kit.search import ScalarSearchSpec, SearchParams
from weyl.kit.search import SummaryParams as Summary
from weyl.pilots import calls
from weyl.pilots.models import FINAL_STATUSES

app = typer.Typer(name="pilots", help="Look at pilots and their logs.", no_args_is_help=True)

COLUMNS = Columns(
    noun="Pilots",
    id_column="PilotStamp",
    names=(
        *("PilotID", "InitialJobID", "CurrentJobID", "PilotJobReference", "PilotStamp", "DestinationSite", "Queue"),
        *("GridSite", "VO", "GridType", "BenchMark", "SubmissionTime", "LastUpdateTime", "Status", "StatusReason"),
        "AccountingSent",
    ),
    default=("PilotStamp", "Status", "GridSite", "DestinationSite", "Queue", "CurrentJobID", "LastUpdateTime"),
    only_searched=("JobID",),
)
QUEUE_COLUMNS = ("vo", "site", "ce", "queue", "demand", "usable", "need", "waiting", "total", "reason")
FOLLOW_PAUSE_S = 2.0

Last = Annotated[str | None, typer.Option("--last", metavar="SPAN", help="Only pilots updated in this time, as 2d.")]
Stamp = Annotated[str, typer.Argument(metavar="STAMP", help="Stamp of the pilot.")]


@app.command()
def search(
    context: typer.Context,
    *,
    parameter: Parameter = None,
    condition: Condition = None,
    every_column: EveryColumn = False,
    page: Page = 1,
    per_page: PerPage = 10,
    where: Where = None,
    last: Last = None,
    sort: Sort = None,
    explain: Explain = False,
) -> Result:
    """Lists the pilots that meet all conditions; `JobID eq 12` finds those that ran a job.

    Example: weyl pilots search --where "Status in (Failed, Aborted)" --sort -PilotID
    """
    session = session_of(context)
    columns = COLUMNS.chosen(session, parameter or (), every_column=every_column)
    found = COLUMNS.conditions(where=where, peer=condition, last=last)
    params = SearchParams(parameters=columns, search=found, sort=COLUMNS.order(sort))
    if explain:
        return Document(params.model_dump(mode="json"))
    stream = session.client.rows(calls.search_pilots(params, page=page, per_page=per_page), limit=session.options.limit)
    return Rows(stream, columns=columns, id_column="PilotStamp", unit="pilots", total=stream.total, first=stream.first)


@app.command()
def summary(
    context: typer.Context, *, by: By = "Status", where: Where = None, condition: Condition = None, last: Last = None
) -> Result:
    """Counts pilots by one or more columns.

    Example: weyl pilots summary --by GridSite,Status
    """
    grouping = COLUMNS.grouping(by)
    params = Summary(grouping=grouping, search=COLUMNS.conditions(where=where, peer=condition, last=last))
    rows = session_of(context).client.send(calls.summarise_pilots(params))
    return Rows(largest_first(rows, grouping), columns=[*grouping, "count"], id_column=grouping[0], unit="groups")


@app.command()
def show(context: typer.Context, stamp: Stamp) -> Result:
    """Shows a pilot with all its columns.

    Example: weyl pilots show 4f6d2a...
    """
    return Document(_pilot(session_of(context), stamp), ids=[stamp])


@app.command()
def logs(
    context: typer.Context,
    stamp: Stamp,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the pilot has ended.")] = False,
    output: Annotated[bool, typer.Option("--output", help="What its computing element kept of it.")] = False,
) -> Result:
    """Prints the log that a pilot has sent, or with --output what it wrote on its computing element.

    Example: weyl pilots logs 4f6d2a... -f
    """
    session = session_of(context)
    if output:
        left = session.client.send(calls.get_output(stamp))
        return Text(text for text in (left.stdout, left.stderr, left.log) if text)
    return Text(_log(session, stamp, follow=follow))


@app.command()
def submission(context: typer.Context) -> Result:
    """Lists the queues with what waits for them, how many pilots they need, and why they get no more.

    Example: weyl pilots submission
    """
    rows = session_of(context).client.send(calls.get_submission())
    return Rows(rows, columns=QUEUE_COLUMNS, id_column="queue", unit="queues")


def _log(session: Session, stamp: str, *, follow: bool) -> Iterator[str]:
    first = 0
    while True:
        # Asked before the log, so that what a pilot wrote last is still read after it has ended.
        has_ended = not follow or _pilot(session, stamp)["Status"] in FINAL_STATUSES
        while True:
            answer = session.client.answer(calls.get_log(stamp, first=first))
            following = int(answer.headers.get("weyl-next-piece", first))
            if following == first:
                break
            yield answer.value
            first = following
        if has_ended:
            return
        time.sleep(FOLLOW_PAUSE_S)


def _pilot(session: Session, stamp: str) -> dict[str, Any]:
    spec = {"parameter": "PilotStamp", "operator": "eq", "value": stamp}
    params = SearchParams(search=[ScalarSearchSpec.model_validate(spec)])
    rows = session.client.send(calls.search_pilots(params))
    if not rows:
        raise NotFound(
            f"There is no pilot {stamp}, or it is not of your VO.", hint="Find pilots with: weyl pilots search"
        )
    return rows[0]
