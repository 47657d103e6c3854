"""Searches for files: planned by probes, done in bounded slices, and ended when their time is over."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from weyl.config.lfns import bare, directory_fault_of
from weyl.config.models import Config
from weyl.file_catalog import conditions, probes
from weyl.file_catalog.conditions import Term, Terms, parameter_type
from weyl.file_catalog.errors import BadFileOrder
from weyl.file_catalog.fields import BadValue, Declared, FieldType
from weyl.file_catalog.models.search import FileQuery, FileSearch, FileSummary
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.probes import Driver, Order, Plan
from weyl.file_catalog.queries import search as queries
from weyl.file_catalog.queries import sums as sum_queries
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.queries.search import Place, Selection, Shown
from weyl.file_catalog.queries.slices import Cut, select_slice
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.kit.paging import Asked, Count, Cursor, Listed, Part, read_cursor
from weyl.kit.search import SortDirection

SHOWN = ("FileID", "LFN", "Size")
SUMMED_MAX = 100_000
"""Files that a summary looks at."""
_ORDERS = {"FileID": Order.FILE_ID, "LFN": Order.PATH}


@dataclass(frozen=True, slots=True)
class Searcher:
    """For whom a search runs, and how long a page may take; seconds."""

    member: Member
    space: Space
    budget_s: float


def searcher_of(member: Member, config: Config) -> Searcher:
    """Return for whom a search runs, and how long a page may take."""
    return Searcher(member, Space.of(config, member), config.operations[member.vo].data_management.query_budget)


@dataclass(frozen=True, slots=True)
class Told:
    """What must be told beside an answer: which conditions are slow, and that not all files were looked at."""

    warnings: list[str] = field(default_factory=list)
    is_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What a search answers: the rows, where it goes on, and what must be told beside."""

    part: Part
    listed: Listed
    told: Told


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A query whose names are known, and that can match anything."""

    selection: Selection
    plan: Plan
    sets: Sequence[int] | None


def needs_place(query: FileQuery) -> bool:
    """Tell whether a query may look at very many files: one with a pattern, or that no index narrows."""
    every = [condition for each in (query.where, *query.any) for condition in each]
    return query.under is None or any(condition.operator in ("regex", "like", "not like") for condition in every)


def asked_order(search: FileSearch) -> tuple[Order | None, bool]:
    """Return the order that is asked for, and whether the last come first; raises `BadFileOrder`."""
    if not search.sort:
        return None, False
    [key] = search.sort
    order, is_descending = _ORDERS.get(key.parameter), key.direction is SortDirection.DESC
    if order is None or (order is Order.PATH and is_descending):
        raise BadFileOrder("Files are sorted by LFN (asc) or by FileID (asc or desc)")
    return order, is_descending


async def search(tx: Tx, searcher: Searcher, asked: FileSearch, page: Asked) -> Page:
    """Return a page of the files that match; what a cursor leads to is in the order of the page before."""
    if page.cursor is None and page.page * page.size > probes.PAGED_MAX:
        raise BadFileOrder(f"`page` reaches {probes.PAGED_MAX:,} rows: go on with the cursor of the header Link")
    order, is_descending = asked_order(asked)
    declared = await _declared(tx, searcher, asked, asked.parameters)
    terms = _terms(asked, declared)
    cursor, order, walked = _place(page.cursor, order, terms, is_descending=is_descending)
    part = Part(page.page, page.size, page.count or Count.NONE, cursor)
    shown = _shown(asked.parameters or SHOWN, declared)
    if any(term.parameter == "Status" for term in terms.every()):
        # Several files in the trash may have one name: their ids alone put them in an order for good.
        if order is Order.PATH:
            raise BadFileOrder("With a condition on Status, sort by FileID")
        order = Order.FILE_ID
    prepared = await _prepared(tx, searcher, asked, terms, (order, is_descending), walked)
    if prepared is None:
        return Page(part, Listed([], 0), Told(conditions.warnings_of(terms)))
    return await _walk(tx, searcher, prepared, part, shown)


def _place(
    cursor: str | None, order: Order | None, terms: Terms, *, is_descending: bool
) -> tuple[Cursor | None, Order | None, Term | None]:
    """Return the place that a cursor holds, the order of its pages, and the term whose values are walked in it."""
    if cursor is None:
        return None, order, None
    orders: list[tuple[Order, Term | None]] = [(each, None) for each in _ORDERS.values() if order in (None, each)]
    orders += [(Order.VALUE, term) for term in terms.where if order is None and probes.is_range(term)]
    *others, last = [(each, term, probes.keys_of(each, term, is_descending=is_descending)) for each, term in orders]
    for each, term, keys in others:
        with suppress(BadRequest):
            return read_cursor(cursor, keys), each, term
    return read_cursor(cursor, last[2]), last[0], last[1]


async def _declared(tx: Tx, searcher: Searcher, query: FileQuery, names: Sequence[str]) -> Declared:
    if not conditions.needs_declared(query, names):
        return {}
    return await select_fields(tx, searcher.member.vo)


def _terms(query: FileQuery, declared: Declared) -> Terms:
    try:
        terms = conditions.terms_of(query, declared)
        conditions.check_patterns(query, terms)
    except BadValue as error:
        raise BadFileOrder(str(error)) from error
    return terms


def _shown(names: Sequence[str], declared: Declared) -> list[Shown]:
    try:
        return [Shown(name, parameter_type(name, declared), declared.get(name)) for name in dict.fromkeys(names)]
    except BadValue as error:
        raise BadFileOrder(str(error)) from error


def _under(query: FileQuery) -> str | None:
    if query.under is None:
        return None
    under = bare(query.under)
    under = under.rstrip("/") or under
    if (fault := directory_fault_of(under)) is not None:
        raise BadFileOrder(f"`under` {fault}")
    return under


async def _prepared(
    tx: Tx,
    searcher: Searcher,
    query: FileQuery,
    terms: Terms,
    asked: tuple[Order | None, bool],
    walked: Term | None = None,
) -> _Prepared | None:
    """Return how a query runs; None if nothing can match it. Two statements at most.

    `walked` is the term whose values the pages before have walked.
    """
    tree = probes.tree_of(searcher.space.roots, _under(query), query.depth, terms)
    if tree is None:
        return None
    of_sets = list(dict.fromkeys(term for term in terms.every() if term.is_of_sets))
    matches = await queries.select_matches(tx, searcher.member, of_sets) if of_sets else {}
    selection = Selection(searcher.member, searcher.space.rule, tree, terms, matches)
    required = queries.required_sets(selection)
    if required is not None and not required:
        return None
    groups = probes.drivable(terms, matches)
    if walked is not None:
        return _Prepared(selection, probes.walk_of(walked, groups), None)
    driving = list(dict.fromkeys(term for group in groups for term in group))
    if not driving and required is None:
        plan = probes.plan(groups, probes.Found({}), asked=asked[0], is_narrow=tree.is_part, is_descending=asked[1])
        return _Prepared(selection, plan, None)
    probed = await queries.probe(tx, tree, driving, required)
    is_part = tree.is_part and probed.tree_files is None
    large = probes.large(groups, probed.sizes, asked=asked[0], is_part=is_part)
    expected = {term: await queries.estimate_source(tx, term) for term in large}
    tree_estimate = await queries.estimate_tree(tx, tree, probed) if is_part and large else None
    found = probes.Found(probed.sizes, probed.tree_files, expected, tree_estimate)
    is_narrow = probed.is_few or (tree.is_part and tree_estimate is None)
    plan = probes.plan(groups, found, asked=asked[0], is_narrow=is_narrow, is_descending=asked[1])
    return _Prepared(selection, plan, required if probed.is_few else None)


async def _walk(tx: Tx, searcher: Searcher, prepared: _Prepared, part: Part, shown: Sequence[Shown]) -> Page:
    """Look at slice after slice until the page is full, nothing is left, or its time is over."""
    skipped = part.first if part.cursor is None else 0
    needed, plan = skipped + part.size + 1, prepared.plan
    place: Place | None = None if part.cursor is None else _values(part.cursor, plan)
    rows: list[dict[str, Any]] = []
    places: list[Place] = []
    terms = prepared.selection.terms
    is_sure = bool(plan.met) and not terms.alternatives and plan.met.issuperset(terms.where)
    size = 2 * probes.PROBE_MAX if plan.driver is Driver.SORTED else probes.first_size(needed, is_sure=is_sure)
    began = start = time.monotonic()
    while len(rows) < needed and start - began <= searcher.budget_s:
        cut = Cut(place, size, needed - len(rows), prepared.sets)
        found = await select_slice(tx, prepared.selection, plan, cut, shown)
        rows += found.rows
        places += found.places
        place = found.end
        if place is None:
            break
        took_s, start = time.monotonic() - start, time.monotonic()
        wanted = needed - len(rows)
        size = probes.next_size(size, took_s=took_s, budget_s=searcher.budget_s, matched=len(found.rows), wanted=wanted)
    return _page(rows, places, part, prepared, place)


def _values(cursor: Cursor, plan: Plan) -> Place:
    if not all(_is_of(value, kind) for value, kind in zip(cursor.values, _kinds(plan), strict=True)):
        raise BadFileOrder("This is no cursor: take it as it is from the header Link of the page before")
    return cursor.values


def _kinds(plan: Plan) -> tuple[type, ...]:
    if plan.order is Order.VALUE:
        field = plan.sources[0].field
        assert field is not None, "values of a field are walked"
        return _KINDS[field.type], int
    return (int,) if plan.order is Order.FILE_ID else (str, str)


_KINDS: Mapping[FieldType, type] = {
    FieldType.INT: int,
    FieldType.BOOL: int,
    FieldType.FLOAT: float,
    FieldType.TEXT: str,
    FieldType.DATE: datetime,
    FieldType.TIME: datetime,
}


def _is_of(value: Any, kind: type) -> bool:
    """Tell whether a value of a cursor is of a kind; a number without a fraction is written as a whole one."""
    if isinstance(value, bool):
        return False
    if kind is datetime:
        return isinstance(value, datetime) and value.tzinfo is not None
    if kind is int:
        return isinstance(value, int) and -(1 << 63) <= value < 1 << 63
    return isinstance(value, (int, float) if kind is float else kind)


def _page(rows: list[dict[str, Any]], places: list[Place], part: Part, prepared: _Prepared, end: Place | None) -> Page:
    skipped = part.first if part.cursor is None else 0
    last = skipped + part.size
    is_full = len(rows) > last
    place = places[last - 1] if is_full else end
    shown = rows[skipped:last]
    following = None
    if place is not None:
        following = Cursor(tuple(prepared.plan.keys), tuple(place), max(part.first + len(shown), 1))
    listed = Listed(shown, None, following, following is not None)
    return Page(part, listed, Told(conditions.warnings_of(prepared.selection.terms), not is_full and end is not None))


async def count(tx: Tx, searcher: Searcher, asked: FileQuery, how: Count) -> int:
    """Return how many files match: exactly, or what the database expects."""
    declared = await _declared(tx, searcher, asked, ())
    prepared = await _prepared(tx, searcher, asked, _terms(asked, declared), (Order.FILE_ID, False))
    if prepared is None:
        return 0
    counted = sum_queries.count_rows if how is Count.EXACT else sum_queries.estimate_rows
    return await counted(tx, prepared.selection, prepared.plan.sources)


async def next_ids(
    tx: Tx, searcher: Searcher, asked: FileQuery, *, after: int, size: int
) -> tuple[list[int], int | None]:
    """Return the next files that match behind an id, and up to which id files were looked at; none at the end.

    For who does something to all files of a query, batch after batch.
    """
    declared = await _declared(tx, searcher, asked, ())
    prepared = await _prepared(tx, searcher, asked, _terms(asked, declared), (Order.FILE_ID, False))
    if prepared is None:
        return [], None
    cursor = Cursor(tuple(probes.keys_of(Order.FILE_ID)), (after,), 1)
    page = await _walk(tx, searcher, prepared, Part(1, size, Count.NONE, cursor), _shown(["FileID"], {}))
    following = page.listed.following
    return [row["FileID"] for row in page.listed.rows], None if following is None else following.values[0]


async def summarise(tx: Tx, searcher: Searcher, asked: FileSummary) -> tuple[list[Mapping[str, Any]], Told]:
    """Return number and size of the files that match, by some parameters, and what must be told beside."""
    declared = await _declared(tx, searcher, asked, asked.grouping)
    terms = _terms(asked, declared)
    grouping = _shown(asked.grouping, declared)
    told = Told(conditions.warnings_of(terms))
    prepared = await _prepared(tx, searcher, asked, terms, (Order.FILE_ID, False))
    if prepared is None:
        return [], told
    sources = prepared.plan.sources
    rows, looked = await sum_queries.select_sums(tx, prepared.selection, sources, grouping, most=SUMMED_MAX + 1)
    return list(rows), replace(told, is_incomplete=looked > SUMMED_MAX)
