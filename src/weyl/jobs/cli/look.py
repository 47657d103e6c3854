"""Commands that look at jobs and change nothing: search, summary, show, status."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

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
    rows_of_page,
)
from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, Forbidden, NotFound, PartlyFailed, UsageFault
from weyl.client.results import Document, Result, Rows, Text, rows_of
from weyl.jobs.calls import lists, results, submission
from weyl.jobs.cli.selection import (
    COLUMNS,
    MISSING,
    JobGroup,
    Last,
    Mine,
    Selection,
    conditions,
    find_most,
    no_such,
    selects_jobs,
)
from weyl.jobs.models.files import JobFiles
from weyl.kit.call import Call
from weyl.kit.plain_text import one_line
from weyl.kit.search import SearchParams, SummaryParams

T = TypeVar("T")

# Rows of a terminal.
STATUS_ROWS = 20
STATUS_COLUMNS = ("JobID", "Status", "MinorStatus", "ApplicationStatus", "Site")
FILE_COLUMNS = ("JobID", "Use", "LFN", "Size", "Status", "Attempt")
HISTORY_COLUMNS = ("JobID", "StatusTime", "Status", "MinorStatus", "ApplicationStatus", "Source")


def search(
    context: typer.Context,
    *,
    parameter: Parameter = None,
    condition: Condition = None,
    every_column: EveryColumn = False,
    page: Page = None,
    per_page: PerPage = None,
    where: Where = None,
    job_group: JobGroup = None,
    mine: Mine = False,
    last: Last = None,
    sort: Sort = None,
    explain: Explain = False,
) -> Result:
    """Lists the jobs that meet all conditions, the newest first.

    Prints ten jobs on a terminal and in JSON, and all of them in a pipe or another format.

    Example: weyl jobs search --mine --where "Status = Failed and LastUpdateTime > -2d" -o csv
    """
    session = session_of(context)
    specs = conditions(session, where=where, peer=condition, mine=mine, last=last, job_group=job_group)
    columns = COLUMNS.chosen(session, parameter or (), every_column=every_column)
    params = SearchParams(parameters=columns, search=specs, sort=COLUMNS.order(sort))
    if explain:
        return Document(params.model_dump(mode="json"), form="json")
    stream = rows_of_page(session, lists.search(params), page=page, per_page=per_page)
    return rows_of(stream, columns=columns, id_column="JobID", unit="jobs")


def summary(
    context: typer.Context,
    *,
    by: By = "Status",
    where: Where = None,
    condition: Condition = None,
    job_group: JobGroup = None,
    mine: Mine = False,
    last: Last = None,
) -> Result:
    """Counts jobs by one or more columns.

    Example: weyl jobs summary --by Site,Status --last 1d
    """
    session = session_of(context)
    grouping = COLUMNS.grouping(by)
    specs = conditions(session, where=where, peer=condition, mine=mine, last=last, job_group=job_group)
    rows = session.client.send(lists.summary(SummaryParams(grouping=grouping, search=specs)))
    return Rows(largest_first(rows, grouping), columns=[*grouping, "count"], id_column=grouping[0], unit="groups")


@selects_jobs
def show(
    context: typer.Context,
    *,
    jobs: Selection,
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
    wanted = jobs.ids(session)
    failed: dict[int, str] = {}
    if files:
        used = _files(answers(session, wanted, results.get_files, failed))
        return Rows(used, columns=FILE_COLUMNS, id_column="LFN", unit="files", failed=failed)
    if requirements:
        found = [{"JobID": job_id, **each} for job_id, each in answers(session, wanted, lists.requirements, failed)]
        return Document(found, id_column="JobID", failed=failed)
    if jdl:
        return Text(_descriptions(session, wanted))
    if params:
        reported = _parameters(answers(session, wanted, lists.parameters, failed))
        columns = ("JobID", "Name", "Value")
        return Rows(reported, columns=columns, id_column="JobID", unit="parameters", failed=failed)
    if history:
        rows, missing = find_most(session, wanted, ["LoggingInfo"])
        records = [{"JobID": row["JobID"], **record} for row in rows for record in row["LoggingInfo"]]
        return Rows(records, columns=HISTORY_COLUMNS, id_column="JobID", unit="records", failed=missing)
    chosen = session.options.columns
    if chosen:
        COLUMNS.check(chosen, COLUMNS.names)
    rows, missing = find_most(session, wanted, list(chosen or COLUMNS.names[1:]))
    return Document(rows, text=_blocks(rows), id_column="JobID", failed=missing)


def answers(
    session: Session, ids: Sequence[int], call: Callable[[int], Call[T]], failed: dict[int, str]
) -> Iterator[tuple[int, T]]:
    """Yield what the server says of each job; of which it says nothing, `failed` has why.

    Raises what was wrong with the first one if there is an answer for none.
    """
    first: ClientError | None = None
    is_any = False
    for job_id in ids:
        try:
            answer = session.client.send(call(job_id))
        except (NotFound, Forbidden) as error:
            first = first or error
            failed[job_id] = MISSING if isinstance(error, NotFound) else error.message
        else:
            is_any = True
            yield job_id, answer
    if first is not None and not is_any:
        raise no_such(list(failed)) if isinstance(first, NotFound) else first


def _descriptions(session: Session, wanted: list[int]) -> Iterator[str]:
    failed: dict[int, str] = {}
    count = 0
    for _, text in answers(session, wanted, submission.get_jdl, failed):
        yield text.rstrip() + "\n"
        count += 1
    raise_failed(failed, done=count)


def raise_failed(failed: Mapping[int, str], *, done: int) -> None:
    """Raise, after a text, that it was not there for all jobs."""
    if failed:
        details = {str(job_id): reason for job_id, reason in failed.items()}
        raise PartlyFailed(f"{len(failed):,} of {len(failed) + done:,} failed.", details=details, hint="")


def _parameters(found: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for job_id, values in found:
        for name, value in values.items():
            yield {"JobID": job_id, "Name": name, "Value": value}


def _files(found: Iterable[tuple[int, JobFiles]]) -> Iterator[dict[str, Any]]:
    for job_id, files in found:
        for read in files.inputs:
            yield dict(zip(FILE_COLUMNS, (job_id, "read", read.lfn, read.size, None, None), strict=True))
        for left in files.outputs:
            values = (job_id, "left", left.lfn, left.size, left.status, left.attempt)
            yield dict(zip(FILE_COLUMNS, values, strict=True))


def _blocks(rows: list[dict[str, Any]]) -> str:
    width = max(len(name) for row in rows for name in row)
    blocks = [
        "\n".join(f"{name:<{width}}  {'-' if value is None else one_line(str(value))}" for name, value in row.items())
        for row in rows
    ]
    return "\n\n".join(blocks)


@selects_jobs
def status(context: typer.Context, jobs: Selection) -> Result:
    """Shows the status of jobs; of yours, the newest first, if none are named.

    Example: weyl jobs status 12 13
    """
    session = session_of(context)
    if not jobs.words:
        specs = (jobs if jobs.is_filter else replace(jobs, mine=True)).specs(session)
        params = SearchParams(parameters=list(STATUS_COLUMNS), search=specs, sort=COLUMNS.order("-JobID"))
        stream = session.client.rows(lists.search(params), limit=session.rows_wanted(STATUS_ROWS))
        return rows_of(stream, columns=STATUS_COLUMNS, id_column="JobID", unit="jobs")
    rows, missing = find_most(session, jobs.ids(session), STATUS_COLUMNS[1:])
    return Rows(rows, columns=STATUS_COLUMNS, id_column="JobID", unit="jobs", failed=missing)
