"""Searches and summaries: which columns, which total, and from counters wherever they know the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weyl.jobs.permits import Scope
from weyl.jobs.queries import search as queries
from weyl.jobs.queries.status import select_history
from weyl.jobs.states import HistoryRecord, fill
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.kit.search import FIRST_MAX, SearchParams, SummaryParams, may_scan
from weyl.kit.search_sql import pick

LOGGING_INFO = "LoggingInfo"
ROWS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """One page of jobs, and how many there are: a lower bound beyond the page where counting them would take long."""

    rows: list[dict[str, Any]]
    total: int


def search_may_scan(params: SearchParams) -> bool:
    """Tell whether a search may have to look at every job."""
    return params.distinct or may_scan(params.search, params.sort, indexed=queries.INDEXED_NAMES, order=queries.JOB_ID)


def summary_may_scan(params: SummaryParams) -> bool:
    """Tell whether a summary may have to look at every job."""
    is_kept = queries.counts_know(params.grouping) and queries.counts_know([spec.parameter for spec in params.search])
    has_pattern = may_scan(params.search, (), indexed=[spec.parameter for spec in params.search], order=queries.JOB_ID)
    return has_pattern or not is_kept


async def search(tx: Tx, params: SearchParams, *, scope: Scope, page: int, per_page: int) -> Found:
    """Find the jobs of a page."""
    asked = list(params.parameters or ())
    with_history = LOGGING_INFO in asked
    names = _names(asked)
    selection = queries.Selection(scope, params.search)
    first = (page - 1) * per_page
    shown = queries.Page(names, params.sort, params.distinct, min(first, FIRST_MAX), per_page)
    rows = await queries.select_page(tx, selection, shown)
    has_more = len(rows) > per_page
    del rows[per_page:]
    total = await _total(tx, selection, shown, rows=len(rows), has_more=has_more)
    if with_history and rows:
        histories = await select_history(tx, [row[queries.JOB_ID] for row in rows])
        for row in rows:
            row[LOGGING_INFO] = wire_history(histories.get(row[queries.JOB_ID], ()))
    return Found(rows, total)


def _names(asked: Sequence[str]) -> list[str]:
    """The columns to show, in the order of the table; a history is known by the job that it belongs to."""
    for name in asked:
        if name != LOGGING_INFO:
            pick(queries.COLUMNS, name)
    wanted = {name for name in asked if name != LOGGING_INFO}
    if wanted and LOGGING_INFO in asked:
        wanted.add(queries.JOB_ID)
    return [name for name in queries.COLUMNS if not wanted or name in wanted]


async def _total(tx: Tx, selection: queries.Selection, page: queries.Page, *, rows: int, has_more: bool) -> int:
    seen = page.first + rows
    if not has_more and (rows or not page.first):
        return seen
    if not page.distinct and selection.is_counted():
        total = await queries.count_from_counters(tx, selection)
    else:
        total = await queries.count_rows(tx, selection, page.names if page.distinct else ())
    # a job may have come or gone between the two statements
    return max(total, seen + 1) if has_more else min(total, page.first)


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


async def summarise(tx: Tx, params: SummaryParams, *, scope: Scope) -> list[dict[str, Any]]:
    """Count jobs by columns; without any, each job is a row."""
    for name in params.grouping:
        pick(queries.COLUMNS, name)
    grouping = list(dict.fromkeys(params.grouping)) or list(queries.COLUMNS)
    selection = queries.Selection(scope, params.search)
    if queries.counts_know(grouping) and selection.is_counted():
        return await queries.select_counts_from_counters(tx, selection, grouping)
    counts = await queries.select_counts(tx, selection, grouping, limit=None if params.grouping else ROWS_MAX + 1)
    if not params.grouping and len(counts) > ROWS_MAX:
        raise BadRequest(f"Without grouping each job is a row, and more than {ROWS_MAX} match: say what to group by")
    return counts
