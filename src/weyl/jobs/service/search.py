"""Searches and summaries: which columns, which total, and from counters wherever they know the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl.jobs.permits import JobScope
from weyl.jobs.queries import search as queries
from weyl.jobs.queries.status import select_history
from weyl.jobs.states import HistoryRecord, fill
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.kit.paging import Count, Cursor, Listed, Part, full_order
from weyl.kit.search import SearchParams, SortSpec, SummaryParams, may_scan
from weyl.kit.search_sql import pick

LOGGING_INFO = "LoggingInfo"
ROWS_MAX = 10_000


def search_may_scan(params: SearchParams) -> bool:
    """Tell whether a search may have to look at every job."""
    return params.distinct or may_scan(params.search, params.sort, indexed=queries.INDEXED_NAMES, order=queries.JOB_ID)


def summary_may_scan(params: SummaryParams) -> bool:
    """Tell whether a summary may have to look at every job."""
    is_kept = queries.counts_know(params.grouping) and queries.counts_know([spec.parameter for spec in params.search])
    has_pattern = may_scan(params.search, (), indexed=[spec.parameter for spec in params.search], order=queries.JOB_ID)
    return has_pattern or not is_kept


async def search(tx: Tx, params: SearchParams, *, scope: JobScope, part: Part) -> Listed:
    """Find the jobs of a page, and how many there are: by default a lower bound where counting them would take long."""
    asked = list(params.parameters or ())
    with_history = LOGGING_INFO in asked
    names = _names(asked)
    if params.distinct and queries.WORKFLOW_PARAMS in names:
        raise BadRequest(f"{queries.WORKFLOW_PARAMS} cannot be part of distinct rows")
    selection = queries.Selection(scope, params.search)
    shown = queries.Page(names, params.sort, params.distinct, part)
    rows = await queries.select_page(tx, selection, shown)
    has_more = len(rows) > part.size
    del rows[part.size :]
    total = await _total(tx, selection, shown, rows=len(rows), has_more=has_more)
    following = _place(rows[-1], params, part, seen=len(rows)) if has_more and part.is_told else None
    for name in rows[0].keys() - names if rows else ():
        for row in rows:
            del row[name]
    if with_history and rows:
        histories = await select_history(tx, [row[queries.JOB_ID] for row in rows])
        for row in rows:
            row[LOGGING_INFO] = wire_history(histories.get(row[queries.JOB_ID], ()))
    return Listed(rows, total, following, has_more)


def order_of(params: SearchParams) -> list[SortSpec]:
    """Return the keys that order the jobs of a search, the last of which no two jobs share."""
    for key in params.sort:
        pick(queries.COLUMNS, key.parameter)
    return full_order(params.sort, queries.JOB_ID)


def _place(row: Mapping[str, Any], params: SearchParams, part: Part, *, seen: int) -> Cursor | None:
    if params.distinct:
        return None
    keys = order_of(params)
    return Cursor(tuple(keys), tuple(_kept(row[key.parameter], key.parameter) for key in keys), part.first + seen)


def _kept(value: Any, name: str) -> Any:
    """Return what the column holds: of the accounted flag the wire has another form."""
    return str(value).lower() if name == queries.ACCOUNTED_FLAG and isinstance(value, bool) else value


def _names(asked: Sequence[str]) -> list[str]:
    """The columns to show, in the order of the table; a history is known by the job that it belongs to."""
    for name in asked:
        if name not in (LOGGING_INFO, queries.WORKFLOW_PARAMS):
            pick(queries.COLUMNS, name)
    wanted = {name for name in asked if name != LOGGING_INFO}
    if wanted and LOGGING_INFO in asked:
        wanted.add(queries.JOB_ID)
    names = (*queries.COLUMNS, queries.WORKFLOW_PARAMS)
    return [name for name in names if name in wanted] if wanted else list(queries.SHOWN)


async def _total(tx: Tx, selection: queries.Selection, page: queries.Page, *, rows: int, has_more: bool) -> int | None:
    part, seen = page.part, page.part.first + rows
    if not part.is_counted:
        return None
    if not has_more and (rows or not part.first) and part.cursor is None:
        return seen
    if not page.distinct and selection.is_counted():
        total = await queries.count_from_counters(tx, selection)
    elif part.count is Count.ESTIMATED and not page.distinct:
        total = await queries.estimate_rows(tx, selection)
    else:
        limit = None if part.count is Count.EXACT else queries.COUNT_MAX + 1
        total = await queries.count_rows(tx, selection, page.names if page.distinct else (), limit=limit)
    if part.cursor is not None:
        return total
    # a job may have come or gone between the two statements
    return max(total, seen + 1) if has_more else min(total, part.first)


def wire_history(records: Sequence[HistoryRecord]) -> list[dict[str, Any]]:
    """Return a history as the contract writes it, oldest first, nothing left open."""
    return [
        {
            "Status": record.status,
            "MinorStatus": record.minor_status,
            "ApplicationStatus": record.application_status,
            "StatusTime": record.at,
            "Source": record.source,
        }
        for record in fill(records)
    ]


async def summarise(tx: Tx, params: SummaryParams, *, scope: JobScope) -> list[dict[str, Any]]:
    """Count jobs by columns; without any, each job is a row."""
    for name in params.grouping:
        pick(queries.COLUMNS, name)
    grouping = list(dict.fromkeys(params.grouping)) or list(queries.SHOWN)
    selection = queries.Selection(scope, params.search)
    if queries.counts_know(grouping) and selection.is_counted():
        return await queries.select_counts_from_counters(tx, selection, grouping)
    counts = await queries.select_counts(tx, selection, grouping, limit=None if params.grouping else ROWS_MAX + 1)
    if not params.grouping and len(counts) > ROWS_MAX:
        raise BadRequest(f"Without grouping each job is a row, and more than {ROWS_MAX} match: say what to group by")
    return counts
