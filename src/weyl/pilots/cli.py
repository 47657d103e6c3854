"""`weyl pilots`: find pilots, count them, and read what they wrote."""

import difflib
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import NotFound, UsageFault
from weyl.client.filters import parse, parse_peer_condition, specs
from weyl.client.results import Document, Result, Rows, Text
from weyl.kit.search import ScalarSearchSpec, SearchParams, SearchSpec, SortDirection, SortSpec, VectorSearchSpec
from weyl.kit.search import SummaryParams as Summary
from weyl.pilots import calls
from weyl.pilots.models import FINAL_STATUSES

app = typer.Typer(name="pilots", help="Look at pilots and their logs.", no_args_is_help=True)

COLUMNS = (
    *("PilotID", "InitialJobID", "CurrentJobID", "PilotJobReference", "PilotStamp", "DestinationSite", "Queue"),
    *("GridSite", "VO", "GridType", "BenchMark", "SubmissionTime", "LastUpdateTime", "Status", "StatusReason"),
    "AccountingSent",
)
DEFAULT_COLUMNS = ("PilotStamp", "Status", "GridSite", "DestinationSite", "Queue", "CurrentJobID", "LastUpdateTime")
QUEUE_COLUMNS = ("vo", "site", "ce", "queue", "demand", "usable", "need", "waiting", "total", "reason")
FOLLOW_PAUSE_S = 2.0

Where = Annotated[
    str | None, typer.Option("--where", metavar="EXPR", help="Filter, as `Status = Running and GridSite = LCG.*`.")
]
Condition = Annotated[
    list[str] | None,
    typer.Option("--condition", metavar="'P OP VALUE'", help="Condition, as `Status eq Done`; may be repeated."),
]
Stamp = Annotated[str, typer.Argument(metavar="STAMP", help="Stamp of the pilot.")]


@app.command()
def search(
    context: typer.Context,
    *,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", metavar="P", help="Show this column; may be repeated.")
    ] = None,
    condition: Condition = None,
    every_column: Annotated[bool, typer.Option("--all/--no-all", help="Show all columns.")] = False,
    page: Annotated[int, typer.Option("--page", min=1, help="Number of the page.")] = 1,
    per_page: Annotated[int, typer.Option("--per-page", min=1, max=10_000, help="Pilots a page.")] = 10,
    where: Where = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMNS", help="Order, as `-PilotID` for the newest first.")
    ] = None,
) -> Result:
    """Lists the pilots that meet all conditions; `JobID eq 12` finds those that ran a job.

    Example: weyl pilots search --where "Status in (Failed, Aborted)" --sort -PilotID
    """
    session = session_of(context)
    columns = _columns(session, parameter or [], every_column=every_column)
    params = SearchParams(parameters=columns, search=_conditions(where, condition or []), sort=_order(sort))
    stream = session.client.rows(calls.search_pilots(params, page=page, per_page=per_page), limit=session.options.limit)
    return Rows(stream, columns=columns, id_column="PilotStamp", unit="pilots", total=stream.total, first=stream.first)


@app.command()
def summary(
    context: typer.Context,
    *,
    by: Annotated[str, typer.Option("--by", metavar="A,B", help="Columns to count by.")] = "Status",
    where: Where = None,
    condition: Condition = None,
) -> Result:
    """Counts pilots by one or more columns.

    Example: weyl pilots summary --by GridSite,Status
    """
    grouping = [name.strip() for name in by.split(",") if name.strip()]
    if not grouping:
        raise UsageFault("Nothing to count by.", hint="Name columns, as --by GridSite,Status")
    _check(grouping, COLUMNS)
    params = Summary(grouping=grouping, search=_conditions(where, condition or []))
    rows = session_of(context).client.send(calls.summarise_pilots(params))
    rows.sort(key=lambda row: (-int(row["count"]), *(str(row.get(name)) for name in grouping)))
    return Rows(rows, columns=[*grouping, "count"], id_column=grouping[0], unit="groups")


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


def _columns(session: Session, parameters: list[str], *, every_column: bool) -> list[str] | None:
    if session.options.quiet or session.options.output == "id":
        return ["PilotStamp"]
    chosen = list(session.options.columns or ()) or parameters
    _check(chosen, COLUMNS)
    if chosen:
        return chosen
    return None if every_column or session.options.output == "wide" else list(DEFAULT_COLUMNS)


def _conditions(where: str | None, peer: Iterable[str]) -> list[SearchSpec]:
    found: list[dict[str, Any]] = [parse_peer_condition(text) for text in peer]
    if where:
        found += specs(parse(where), datetime.now(UTC))
    _check([spec["parameter"] for spec in found], (*COLUMNS, "JobID"))
    return [(VectorSearchSpec if "values" in spec else ScalarSearchSpec).model_validate(spec) for spec in found]


def _order(text: str | None) -> list[SortSpec]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    _check([name.lstrip("-+") for name in names], COLUMNS)
    return [
        SortSpec(
            parameter=name.lstrip("-+"),
            direction=SortDirection.DESC if name.startswith("-") else SortDirection.ASC,
        )
        for name in names
    ]


def _check(names: Iterable[str], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"Columns are {', '.join(known)}."
            raise UsageFault(f"Pilots have no column {name!r}.", hint=hint)
