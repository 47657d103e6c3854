"""SQL of one slice of a search: a bounded number of files that may match, in the order of ids, names or values.

A search is put together anew for each query, and SQLAlchemy takes longer for the columns of a subquery than PostgreSQL
for the rows. So the parts that a slice always has stand here as they are, and name each other's columns by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.file_catalog import probes
from weyl.file_catalog.conditions import Shape, Term, Terms
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.probes import Driver, Order, Plan
from weyl.file_catalog.queries import terms as sql
from weyl.file_catalog.queries.search import (
    DIRECTORY_COLUMNS,
    FILE_COLUMNS,
    Place,
    Selection,
    Shown,
    directory_columns,
    file_columns,
    names_status,
    of_directories,
    of_files,
    readable_directories,
)
from weyl.file_catalog.tables import directories, files
from weyl.kit.db import Tx
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import WireRow, fetch

_AFTER_ALL = chr(0x10FFFF)
_Named = Sequence[sa.ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Slice:
    """What matches of the files that were looked at; `end` is the last of them, and none if nothing is behind it."""

    rows: list[WireRow]
    places: list[Place]
    end: Place | None


@dataclass(frozen=True, slots=True)
class Cut:
    """Which slice: behind `after`, looking at `size` files at most, for `rows` that match."""

    after: Place | None
    size: int
    rows: int
    sets: Sequence[int] | None = None
    """Where few directories have one of these sets, only they are looked at."""


_FILE_TYPES = {name: files.c[name].type for name in FILE_COLUMNS}
_DIRECTORY_TYPES = {label: directories.c[name].type for label, name in DIRECTORY_COLUMNS.items()}


def _of(table: str, *types: dict[str, Any]) -> _Named:
    """Return columns of a part of a statement by their names, as they go on from there."""
    return [sa.literal_column(f"{table}.{name}", kind).label(name) for each in types for name, kind in each.items()]


def _part(name: str, *types: dict[str, Any]) -> sa.TableClause:
    """Return what stands for a common table expression of a statement."""
    return sa.table(name, *(sa.column(column, kind) for each in types for column, kind in each.items()))


_AT = {"at": sa.types.NullType()}
_LOOKED = _part("looked", {"file_id": sa.BigInteger()}, _AT)
_CHUNK = _part("chunk", {"dir_id": sa.BigInteger()}, _DIRECTORY_TYPES)
_C = _part("c", _FILE_TYPES, _DIRECTORY_TYPES, _AT)
_M = _part("m", _FILE_TYPES, _DIRECTORY_TYPES, _AT)
_DIR_ID = sa.literal_column("d.dir_id", sa.BigInteger())
_D_PATH = sa.literal_column("d.path", _DIRECTORY_TYPES["path"])
_F_NAME = sa.literal_column("f.name", _FILE_TYPES["name"])


def _rows_of_looked() -> sa.Select[Any]:
    """Return the files that are looked at, with their directories.

    Fenced: whatever is known of the tables, each row is found by its key.
    """
    f = sa.select(*file_columns(files), files.c.dir_id).where(files.c.file_id == _LOOKED.c.file_id)
    dir_id = sa.literal_column("f.dir_id", sa.BigInteger())
    d = sa.select(*directory_columns(directories)).where(directories.c.dir_id == dir_id)
    joined = _LOOKED.join(f.offset(0).lateral("f"), sa.true()).join(d.offset(0).lateral("d"), sa.true())
    return sa.select(*_of("f", _FILE_TYPES), *_of("d", _DIRECTORY_TYPES)).select_from(joined)


_ROWS_OF_LOOKED = _rows_of_looked()


def _early(selection: Selection, plan: Plan) -> list[Term]:
    """Return the terms that the id of a file is enough for: the others need its row, and that of its directory."""
    return [term for term in selection.terms.where if term not in plan.met and sql.needs_id_only(term)]


def _looked(plan: Plan, cut: Cut) -> sa.Select[Any]:
    """Return what is looked at: ids, or values and ids."""
    if plan.driver is Driver.VALUES:
        return _values(plan, cut)
    if plan.sources:
        every = [_ids(_source(term), plan, cut) for term in plan.sources]
        united = every[0] if len(every) == 1 else sa.union(*(sa.select(each.subquery()) for each in every))
        found = united.subquery("found")
    else:
        found = _ids(sa.select(files.c.file_id), plan, cut).subquery("found")
    column = sa.literal_column("found.file_id", sa.BigInteger())
    ordered = column.desc() if plan.is_descending else column
    return sa.select(column.label("file_id")).select_from(found).order_by(ordered).limit(cut.size)


def _source(term: Term) -> sa.Select[Any]:
    """Return the ids that an index finds for a term; fenced where the index gives them in another order.

    They are few then. Or else the database might hope to meet them soon in the order of ids, all over the table.
    """
    if probes.is_in_order(term.check):
        return sql.source(term)
    found = sql.source(term, is_probed=True)
    return sa.select(sa.literal_column("few.file_id", sa.BigInteger())).select_from(found.offset(0).subquery("few"))


def _ids(source: sa.Select[Any], plan: Plan, cut: Cut) -> sa.Select[tuple[int]]:
    [column] = source.selected_columns
    source = source.where(*(column.in_(sql.source(term)) for term in plan.filters))
    if cut.after is not None and plan.driver is not Driver.SORTED:
        place = sa.literal(cut.after[0], sa.BigInteger)
        source = source.where(column < place if plan.is_descending else column > place)
    ordered = column.desc() if plan.is_descending else column.asc()
    return source.with_only_columns(column.label("file_id")).distinct().order_by(ordered).limit(cut.size)


def _values(plan: Plan, cut: Cut) -> sa.Select[Any]:
    value, file_id, source = sql.values_of(plan.sources[0])
    if cut.after is not None:
        place = sa.tuple_(sa.literal(cut.after[0], value.type), sa.literal(cut.after[1], sa.BigInteger))
        source = source.where(sa.tuple_(value, file_id) > place)
    return source.order_by(value, file_id).limit(cut.size)


def _slice_by_id(selection: Selection, plan: Plan, cut: Cut, shown: Sequence[Shown]) -> sa.Select[Any]:
    may_read = readable_directories(selection)
    early = _early(selection, plan)
    rows = _ROWS_OF_LOOKED.where(*(sql.holds(term, _LOOKED.c, selection.matches, may_read) for term in early))
    if plan.order is Order.VALUE:
        rows = rows.add_columns(_LOOKED.c.at.label("at"))
    clauses = [*of_directories(selection, _C.c), *of_files(selection, _C.c, {*plan.met, *early})]
    keys: list[str] = ["file_id"]
    if plan.order is Order.PATH:
        keys = ["path", "name"]
        if cut.after is not None:
            path, name = (sa.literal(value, sa.Text) for value in cut.after)
            clauses.append(sa.or_(_C.c.path > path, sa.and_(_C.c.path == path, _C.c.name > name)))
        bounds: sa.Select[Any] = sa.select(*map(_nothing, ("number", "end_0", "end_1")))
    elif plan.order is Order.VALUE:
        keys = ["at", "file_id"]
        bounds = _last_value()
    else:
        last = (sa.func.min if plan.is_descending else sa.func.max)(_LOOKED.c.file_id)
        number = sa.func.count().label("number")
        bounds = sa.select(number, last.label("end_0"), _nothing("end_1")).select_from(_LOOKED)
    parts = [_looked(plan, cut).cte("looked"), rows.cte("c")]
    return _answer(parts, clauses, keys, bounds, (selection, plan, cut, shown))


def _nothing(name: str) -> sa.Label[Any]:
    return sa.null().label(name)


def _column(text: str) -> sa.ColumnClause[Any]:
    return sa.literal_column(text)


def _last_value() -> sa.Select[Any]:
    """Return how many values were looked at, and the last of them."""
    number = sa.select(sa.func.count()).select_from(_LOOKED).scalar_subquery()
    last = sa.select(_LOOKED.c.at, _LOOKED.c.file_id).order_by(_LOOKED.c.at.desc(), _LOOKED.c.file_id.desc()).limit(1)
    at, file_id = _column("last.at").label("end_0"), _column("last.file_id").label("end_1")
    one = sa.select(sa.literal(1)).subquery("one")
    return sa.select(number.label("number"), at, file_id).select_from(one.outerjoin(last.subquery("last"), sa.true()))


def _slice_of_tree(selection: Selection, plan: Plan, cut: Cut, shown: Sequence[Shown]) -> sa.Select[Any]:
    at_path, at_name = cut.after or ("", "")
    d = sa.select(_CHUNK).where(*of_directories(selection, _CHUNK.c)).order_by(_CHUNK.c.path).limit(cut.size)
    begin = sa.case((at_path == _D_PATH, sa.literal(at_name, sa.Text)), else_=sa.literal("", sa.Text))
    status = [] if names_status(selection.terms) else [files.c.status == sql.GOOD]
    f = (
        sa.select(*file_columns(files))
        .where(files.c.dir_id == _DIR_ID, files.c.name > begin, *status, *_of_names(selection.terms))
        .order_by(files.c.name)
        .limit(cut.size)
    )
    joined = d.subquery("d").join(f.lateral("f"), sa.true())
    rows = sa.select(*_of("f", _FILE_TYPES), *_of("d", _DIRECTORY_TYPES)).select_from(joined)
    numbers = [
        sa.select(sa.func.count()).select_from(_C).scalar_subquery().label("number"),
        sa.select(sa.func.count()).select_from(_CHUNK).scalar_subquery().label("directories"),
        sa.select(sa.func.max(_CHUNK.c.path)).scalar_subquery().label("last"),
    ]
    last = sa.select(_C.c.path, _C.c.name).order_by(_C.c.path.desc(), _C.c.name.desc()).limit(1).subquery("last_one")
    ends = [_column(f"last_one.{name}").label(end) for name, end in (("path", "end_0"), ("name", "end_1"))]
    one = sa.select(sa.literal(1)).subquery("one")
    bounds = sa.select(*numbers, *ends).select_from(one.outerjoin(last, sa.true()))
    parts = [
        _directories(selection, at_path, cut).cte("chunk"),
        rows.order_by(_D_PATH, _F_NAME).limit(cut.size).cte("c"),
    ]
    return _answer(parts, of_files(selection, _C.c), ["path", "name"], bounds, (selection, plan, cut, shown))


def _of_names(terms: Terms) -> list[sql.Clause]:
    """Return the conditions on names that narrow the index of a directory's names."""
    shapes = (Shape.AMONG, Shape.LIKE)
    named = [term for term in terms.where if term.parameter == "Name" and term.check.shape in shapes]
    return [sql.clause(term.check, files.c.name) for term in named if not term.check.is_negated]


def _directories(selection: Selection, at_path: str, cut: Cut) -> sa.Select[Any]:
    """Return the next directories in the order of their paths: those of a few sets, or all of them in the tree."""
    tree = selection.tree
    columns = [directories.c.dir_id, *directory_columns(directories)]
    path = directories.c.path
    if cut.sets is not None:
        few = sa.bindparam(None, list(cut.sets), type_=ARRAY(sa.BigInteger)).any_()
        having = sa.select(*columns).where(directories.c.metadata_set_id == few).limit(probes.PROBE_MAX + 1).subquery()
        every = sa.select(having).where(having.c.path >= at_path)
        return every.order_by(having.c.path).limit(cut.size)
    if tree.top is None:
        every = sa.select(*columns).where(path >= max(at_path, tree.start), path < tree.end)
        return every.order_by(path).limit(cut.size)
    # `/a-b` and its like stand between `/a` and `/a/b`: they are passed by.
    below = sa.select(*columns).where(path >= max(at_path, f"{tree.top}/"), path < tree.end)
    ordered = below.order_by(path).limit(cut.size)
    if at_path > tree.top:
        return ordered
    top = sa.select(*columns).where(directories.c.path_hash == path_hash(tree.top), path == tree.top)
    both = sa.union_all(top, sa.select(ordered.subquery())).subquery()
    return sa.select(both).order_by(both.c.path).limit(cut.size)


def _answer(
    parts: Sequence[sa.CTE],
    clauses: Sequence[sql.Clause],
    keys: Sequence[str],
    bounds: sa.Select[Any],
    how: tuple[Selection, Plan, Cut, Sequence[Shown]],
) -> sa.Select[Any]:
    """Return the rows that match, each with the bounds of the slice; without a match one row has the bounds alone."""
    selection, plan, cut, shown = how
    may_read = readable_directories(selection)
    ordered = [_C.c[key].desc() if plan.is_descending else _C.c[key] for key in keys]
    matching = sa.select(_column("c.*")).select_from(_C).where(*clauses).order_by(*ordered).limit(cut.rows)
    places = [_M.c[key].label(f"place_{number}") for number, key in enumerate(keys)]
    values = [
        sql.shown_value(each.name, each.type, each.field, _M.c, may_read=may_read).label(f"value_{number}")
        for number, each in enumerate(shown)
    ]
    inner = sa.select(*places, *values).select_from(_M).subquery("r")
    outer = bounds.subquery("bounds").outerjoin(inner, sa.true())
    statement = sa.select(_column("bounds.*"), _column("r.*")).select_from(outer)
    order = [_column(f"r.place_{number}") for number in range(len(keys))]
    statement = statement.order_by(*(key.desc() if plan.is_descending else key for key in order))
    return statement.add_cte(*parts, matching.cte("m"))


async def select_slice(tx: Tx, selection: Selection, plan: Plan, cut: Cut, shown: Sequence[Shown]) -> Slice:
    """Look at the next files of a search and return those that match."""
    make = _slice_of_tree if plan.driver is Driver.TREE else _slice_by_id
    async with search_errors():
        found = await fetch(tx, make(selection, plan, cut, shown))
    width = 1 if plan.order is Order.FILE_ID else 2
    matched = [row for row in found if row["place_0"] is not None]
    rows = [{each.name: row[f"value_{number}"] for number, each in enumerate(shown)} for row in matched]
    places = [tuple(row[f"place_{number}"] for number in range(width)) for row in matched]
    if len(rows) == cut.rows:
        return Slice(rows, places, places[-1])
    bounds = found[0]
    if plan.driver is Driver.SORTED:
        return Slice(rows, places, None)
    if bounds["number"] >= cut.size:
        return Slice(rows, places, tuple(bounds[f"end_{number}"] for number in range(width)))
    if plan.driver is Driver.TREE and bounds["directories"] >= cut.size:
        return Slice(rows, places, (bounds["last"], _AFTER_ALL))
    return Slice(rows, places, None)
