"""Commands that look at jobs and change nothing: search, summary, show, status."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from weyl.client.columns import (
    By,
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
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Result, Rows, Text
from weyl.jobs.calls import lists, results, submission
from weyl.jobs.cli.selection import COLUMNS, conditions, find_most, job_ids
from weyl.kit.plain_text import one_line
from weyl.kit.search import SearchParams, SummaryParams

STATUS_COLUMNS = ("JobID", "Status", "MinorStatus", "ApplicationStatus", "Site")
FILE_COLUMNS = ("JobID", "Use", "LFN", "Size", "Status", "Attempt")
HISTORY_COLUMNS = ("JobID", "StatusTime", "Status", "MinorStatus", "ApplicationStatus", "Source")

JobArguments = Annotated[
    list[str], typer.Argument(metavar="ID", help="Ids of jobs, ranges such as 12..20, or - for stdin.")
]
Mine = Annotated[bool, typer.Option("--mine", help="Only your own jobs.")]
Last = Annotated[str | None, typer.Option("--last", metavar="SPAN", help="Only jobs updated in this time, as 2d.")]


def search(
    context: typer.Context,
    *,
    parameter: Parameter = None,
    condition: Condition = None,
    every_column: EveryColumn = False,
    page: Page = 1,
    per_page: PerPage = 10,
    where: Where = None,
    mine: Mine = False,
    last: Last = None,
    sort: Sort = None,
    explain: Explain = False,
) -> Result:
    """Lists the jobs that meet all conditions.

    Example: weyl jobs search --mine --where "Status = Failed and LastUpdateTime > -2d" --limit 0 -o csv
    """
    session = session_of(context)
    specs = conditions(session, where=where, peer=condition, mine=mine, last=last)
    columns = COLUMNS.chosen(session, parameter or (), every_column=every_column)
    params = SearchParams(parameters=columns, search=specs, sort=COLUMNS.order(sort))
    if explain:
        return Document(params.model_dump(mode="json"))
    call = lists.search(params, page=page, per_page=per_page)
    stream = session.client.rows(call, limit=session.options.limit)
    return Rows(stream, columns=columns, id_column="JobID", unit="jobs", total=stream.total, first=stream.first)


def summary(
    context: typer.Context,
    *,
    by: By = "Status",
    where: Where = None,
    condition: Condition = None,
    mine: Mine = False,
    last: Last = None,
) -> Result:
    """Counts jobs by one or more columns.

    Example: weyl jobs summary --by Site,Status --last 1d
    """
    session = session_of(context)
    grouping = COLUMNS.grouping(by)
    specs = conditions(session, where=where, peer=condition, mine=mine, last=last)
    rows = session.client.send(lists.summary(SummaryParams(grouping=grouping, search=specs)))
    return Rows(largest_first(rows, grouping), columns=[*grouping, "count"], id_column=grouping[0], unit="groups")


def show(
    context: typer.Context,
    ids: JobArguments,
    *,
    history: Annotated[bool, typer.Option("--history", help="Show every status they have had.")] = False,
    params: Annotated[bool, typer.Option("--params", help="Show what was reported about them.")] = False,
    jdl: Annotated[bool, typer.Option("--jdl", help="Print their descriptions.")] = False,
    requirements: Annotated[
        bool, typer.Option("--requirements", help="Show what they need of a pilot, and what retries have changed.")
    ] = False,
    files: Annotated[bool, typer.Option("--files", help="Show which files they read and have registered.")] = False,
) -> Result:
    """Shows jobs with all their columns, or their history, parameters, description, requirements or files.

    Example: weyl jobs show 12 --history
    """
    session = session_of(context)
    if history + params + jdl + requirements + files > 1:
        raise UsageFault(
            "--history, --params, --jdl, --requirements and --files exclude each other.", hint="Choose one of them."
        )
    wanted = job_ids(session, ids)
    if files:
        return Rows(_files(session, wanted), columns=FILE_COLUMNS, id_column="LFN", unit="files")
    if requirements:
        return Document(_requirements(session, wanted), id_column="JobID")
    if jdl:
        return Text(session.client.send(submission.get_jdl(job_id)).rstrip() + "\n" for job_id in wanted)
    if params:
        return Rows(
            _parameters(session, wanted), columns=("JobID", "Name", "Value"), id_column="JobID", unit="parameters"
        )
    if history:
        rows, missing = find_most(session, wanted, ["LoggingInfo"])
        records = [{"JobID": row["JobID"], **record} for row in rows for record in row["LoggingInfo"]]
        return Rows(records, columns=HISTORY_COLUMNS, id_column="JobID", unit="records", failed=missing)
    chosen = session.options.columns
    if chosen:
        COLUMNS.check(chosen, COLUMNS.names)
    rows, missing = find_most(session, wanted, list(chosen or COLUMNS.names[1:]))
    return Document(rows, text=_blocks(rows), id_column="JobID", failed=missing)


def _parameters(session: Session, wanted: list[int]) -> Iterator[dict[str, Any]]:
    for job_id in wanted:
        for name, value in session.client.send(lists.parameters(job_id)).items():
            yield {"JobID": job_id, "Name": name, "Value": value}


def _files(session: Session, wanted: list[int]) -> Iterator[dict[str, Any]]:
    for job_id in wanted:
        found = session.client.send(results.get_files(job_id))
        for read in found.inputs:
            yield dict(zip(FILE_COLUMNS, (job_id, "read", read.lfn, read.size, None, None), strict=True))
        for left in found.outputs:
            values = (job_id, "left", left.lfn, left.size, left.status, left.attempt)
            yield dict(zip(FILE_COLUMNS, values, strict=True))


def _requirements(session: Session, wanted: list[int]) -> list[dict[str, Any]]:
    found = []
    for job_id in wanted:
        document = session.client.send(lists.requirements(job_id))
        found.append({"JobID": job_id, **document})
    return found


def _blocks(rows: list[dict[str, Any]]) -> str:
    width = max(len(name) for row in rows for name in row)
    blocks = [
        "\n".join(f"{name:<{width}}  {'-' if value is None else one_line(str(value))}" for name, value in row.items())
        for row in rows
    ]
    return "\n\n".join(blocks)


def status(context: typer.Context, ids: JobArguments) -> Result:
    """Shows the status of jobs.

    Example: weyl jobs status 12 13
    """
    session = session_of(context)
    rows, missing = find_most(session, job_ids(session, ids), STATUS_COLUMNS[1:])
    return Rows(rows, columns=STATUS_COLUMNS, id_column="JobID", unit="jobs", failed=missing)
