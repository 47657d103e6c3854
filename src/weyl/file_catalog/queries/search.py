"""SQL of searches for files: a bounded slice of what may match, in the order of ids or of names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.file_catalog import probes
from weyl.file_catalog.conditions import ParameterType, Shape, Term, Terms
from weyl.file_catalog.fields import DeclaredField
from weyl.file_catalog.modes import READ, Rule
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.permits import Member
from weyl.file_catalog.probes import Driver, Order, Plan, Tree
from weyl.file_catalog.queries import terms as sql
from weyl.file_catalog.tables import directories, file_vos, files, identities, metadata_sets
from weyl.kit.db import Tx
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import WireRow, estimate, fetch

SETS_MAX = 10_000
"""More sets that meet a term are not listed, but looked up file by file."""
_AFTER_ALL = chr(0x10FFFF)
_FILE_COLUMNS = (
    "file_id", "name", "size", "adler32", "md5", "sha1", "sha256", "guid", "owner_id", "group_id", "mode", "status",
    "job_id", "created_at", "modified_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files, and for whom."""

    member: Member
    rule: Rule
    tree: Tree
    terms: Terms
    matches: Mapping[Term, Sequence[int] | None] = field(default_factory=dict)
    """The sets of directories' values that meet a term; None where they are too many to list."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One parameter of an answer."""

    name: str
    type: ParameterType
    field: DeclaredField | None = None


Place = tuple[Any, ...]
"""Where a slice ends: the id of a file, or the path of a directory and the name of a file in it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What matches of the files that were looked at; `end` is the last of them, and none if nothing is behind it."""

    rows: list[WireRow]
    places: list[Place]
    end: Place | None


def _vo(member: Member) -> sa.ColumnElement[int]:
    return sa.select(file_vos.c.vo_id).where(file_vos.c.name == member.vo).scalar_subquery()


def _may_read(selection: Selection, c: sql.Columns, prefix: str = "") -> list[sql.Clause]:
    """Return the condition that the mode of a directory, or of a file, lets a member read."""
    if selection.member.is_manager or selection.rule == "open":
        return []

    def number(name: str) -> sa.ColumnElement[int]:
        return sa.select(identities.c.identity_id).where(identities.c.name == name).scalar_subquery()

    shift = sa.case(
        (c[f"{prefix}owner_id"] == number(selection.member.username), sa.literal(6, sa.Integer)),
        (c[f"{prefix}group_id"] == number(selection.member.group), sa.literal(3, sa.Integer)),
        else_=sa.literal(0, sa.Integer),
    )
    bits = sa.cast(c[f"{prefix}mode"], sa.Integer).bitwise_rshift(shift)
    return [bits.bitwise_and(sa.literal(READ, sa.Integer)) != 0]


def readable_directories(selection: Selection) -> list[sql.Clause]:
    """Return the condition that a member may read a directory, on the table of directories."""
    return _may_read(selection, directories.c)


def _in_tree(tree: Tree, path: sa.ColumnElement[str]) -> list[sql.Clause]:
    if tree.top is None:
        return []
    inside: list[sql.Clause] = [sa.or_(path == tree.top, sa.and_(path >= f"{tree.top}/", path < tree.end))]
    if tree.depth is not None:
        levels = sa.func.length(path) - sa.func.length(sa.func.replace(path, "/", ""))
        inside.append(levels <= tree.top.count("/") + tree.depth)
    return inside


def of_directories(selection: Selection, c: sql.Columns) -> list[sql.Clause]:
    """Return what a directory alone decides: its VO, its mode, its place, and fields that only directories have."""
    clauses = [c.vo_id == _vo(selection.member), *_may_read(selection, c, "d_"), *_in_tree(selection.tree, c.path)]
    for term in selection.terms.where:
        sets = selection.matches.get(term)
        if term.is_of_sets and not term.is_of_files and sets is not None:
            clauses.append(sql.set_clause(term, c.set_id, sets))
    return clauses


def of_files(selection: Selection, c: sql.Columns, known: Collection[Term] = ()) -> list[sql.Clause]:
    """Return what is decided file by file, but for terms that are known to be met."""
    terms, matches, may_read = selection.terms, selection.matches, readable_directories(selection)
    clauses = [c.status.in_([sql.GOOD, sql.TRASH]) if _names_status(terms) else c.status == sql.GOOD]
    clauses += _may_read(selection, c) if selection.rule == "posix" else []
    clauses += [
        sql.holds(term, c, matches, may_read)
        for term in terms.where
        if term not in known and (term.is_of_files or matches.get(term) is None)
    ]
    if terms.alternatives:
        each = [
            sa.and_(sa.true(), *(sql.holds(term, c, matches, may_read) for term in one)) for one in terms.alternatives
        ]
        clauses.append(sa.or_(*each))
    return clauses


def _names_status(terms: Terms) -> bool:
    return any(term.parameter == "Status" and term.field is None for term in terms.every())


def file_columns(table: sa.FromClause) -> list[sql.Element]:
    """Return what searches look at of a file."""
    return [table.c[name] for name in _FILE_COLUMNS]


def directory_columns(table: sa.FromClause) -> list[sql.Element]:
    """Return what searches look at of a directory."""
    return [
        table.c.path,
        table.c.vo_id,
        table.c.metadata_set_id.label("set_id"),
        table.c.owner_id.label("d_owner_id"),
        table.c.group_id.label("d_group_id"),
        table.c.mode.label("d_mode"),
    ]


async def select_matches(tx: Tx, member: Member, terms: Sequence[Term]) -> dict[Term, tuple[int, ...] | None]:
    """Return the sets of directories' values that meet each of some terms; None for all if they are too many."""
    clauses = [sql.clause(term.check, sql.of_set(term.field)) for term in terms if term.field is not None]
    statement = (
        sa.select(metadata_sets.c.metadata_set_id, *(sa.func.coalesce(each, sa.false()) for each in clauses))
        .where(metadata_sets.c.vo_id == _vo(member), sa.or_(*clauses))
        .limit(SETS_MAX + 1)
    )
    async with search_errors():
        rows = await fetch(tx, statement)
    if len(rows) > SETS_MAX:
        return dict.fromkeys(terms)
    return {term: tuple(row[0] for row in rows if row[place]) for place, term in enumerate(terms, 1)}


async def probe(
    tx: Tx, tree: Tree, terms: Sequence[Term], sets: Sequence[int] | None
) -> tuple[dict[Term, int | None], int | None, bool]:
    """Count the files that an index finds for terms, and those of a tree that is not a whole root, up to a bound.

    Tells also whether few directories have one of some sets, if any are given.
    """
    counts = [_bounded(sql.source(term, is_probed=True)) for term in terms]
    counts.append(_bounded(_files_below(tree)) if tree.is_part else sa.literal(probes.PROBE_MAX + 1))
    having = sa.select(directories.c.dir_id).where(
        directories.c.metadata_set_id == sa.bindparam(None, list(sets or ()), type_=ARRAY(sa.BigInteger)).any_()
    )
    having = having.order_by(directories.c.metadata_set_id)
    async with search_errors():
        [row] = await fetch(tx, sa.select(*counts, _bounded(having)))
    *sizes, below, few = (None if count > probes.PROBE_MAX else count for count in row)
    return dict(zip(terms, sizes, strict=True)), below, sets is not None and few is not None


async def estimate_source(tx: Tx, term: Term) -> int:
    """Return how many files the database expects an index to find for a term; it looks at none of them."""
    return await estimate(tx, sql.source(term))


def _files_below(tree: Tree) -> sa.Select[Any]:
    """Return the files at or below a directory, of the index of their names alone."""
    path = directories.c.path
    d = sa.select(directories.c.dir_id).where(path >= tree.start, path < tree.end, *_in_tree(tree, path)).subquery("d")
    f = sa.select(files.c.name).where(files.c.dir_id == d.c.dir_id, files.c.status == sql.GOOD).offset(0).lateral("f")
    return sa.select(f.c.name).select_from(d.join(f, sa.true()))


def _bounded(statement: sa.Select[Any]) -> sa.ColumnElement[int]:
    some = statement.limit(probes.PROBE_MAX + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Cut:
    """Which slice: behind `after`, looking at `size` files at most, for `rows` that match."""

    after: Place | None
    size: int
    rows: int
    sets: Sequence[int] | None = None
    """Where few directories have one of these sets, only they are looked at."""


def _early(selection: Selection, plan: Plan) -> list[Term]:
    """Return the terms that the id of a file is enough for: the others need its row, and that of its directory."""
    return [term for term in selection.terms.where if term not in plan.met and sql.needs_id_only(term)]


def _candidates_by_id(selection: Selection, plan: Plan, cut: Cut) -> tuple[sa.CTE, sa.CTE]:
    """Return what is looked at, as ids, and their files with the directories."""
    if plan.sources:
        every = [_ids(sql.source(term), plan, cut) for term in plan.sources]
        united = every[0] if len(every) == 1 else sa.union(*(sa.select(each.subquery()) for each in every))
        found = united.subquery()
    else:
        found = _ids(sa.select(files.c.file_id), plan, cut).subquery()
    column = found.c.file_id
    looked = sa.select(column).order_by(column.desc() if plan.is_descending else column).limit(cut.size).cte("looked")
    may_read = readable_directories(selection)
    early = [sql.holds(term, looked.c, selection.matches, may_read) for term in _early(selection, plan)]
    # Fenced: whatever is known of the tables, each row is found by its key.
    f = (
        sa.select(*file_columns(files), files.c.dir_id)
        .where(files.c.file_id == looked.c.file_id)
        .offset(0)
        .lateral("f")
    )
    d = sa.select(*directory_columns(directories)).where(directories.c.dir_id == f.c.dir_id).offset(0).lateral("d")
    joined = looked.join(f, sa.true()).join(d, sa.true())
    rows = sa.select(*(column for column in f.c if column.name != "dir_id"), d).select_from(joined)
    return looked, rows.where(*early).cte("c")


def _ids(source: sa.Select[tuple[int]], plan: Plan, cut: Cut) -> sa.Select[tuple[int]]:
    [column] = source.selected_columns
    source = source.where(*(column.in_(sql.source(term)) for term in plan.filters))
    if cut.after is not None and plan.driver is not Driver.SORTED:
        place = sa.literal(cut.after[0], sa.BigInteger)
        source = source.where(column < place if plan.is_descending else column > place)
    ordered = column.desc() if plan.is_descending else column.asc()
    return source.with_only_columns(column.label("file_id")).distinct().order_by(ordered).limit(cut.size)


def _slice_by_id(selection: Selection, plan: Plan, cut: Cut, shown: Sequence[Shown]) -> sa.Select[Any]:
    looked, c = _candidates_by_id(selection, plan, cut)
    known = {*plan.met, *_early(selection, plan)}
    clauses = [*of_directories(selection, c.c), *of_files(selection, c.c, known)]
    if plan.order is Order.PATH:
        keys: list[sa.ColumnElement[Any]] = [c.c.path, c.c.name]
        if cut.after is not None:
            path, name = (sa.literal(value, sa.Text) for value in cut.after)
            clauses.append(sa.or_(c.c.path > path, sa.and_(c.c.path == path, c.c.name > name)))
        bounds = sa.select(sa.literal(0).label("number"), sa.null().label("end_0"), sa.null().label("end_1"))
    else:
        keys = [c.c.file_id]
        last = sa.func.min(looked.c.file_id) if plan.is_descending else sa.func.max(looked.c.file_id)
        bounds = sa.select(sa.func.count().label("number"), last.label("end_0"), sa.null().label("end_1"))
        bounds = bounds.select_from(looked)
    return _answer(c, clauses, keys, bounds.subquery("bounds"), (selection, plan, cut, shown))


def _slice_of_tree(selection: Selection, plan: Plan, cut: Cut, shown: Sequence[Shown]) -> sa.Select[Any]:
    at_path, at_name = cut.after or ("", "")
    chunk = _directories(selection, at_path, cut).cte("chunk")
    d = sa.select(chunk).where(*of_directories(selection, chunk.c)).order_by(chunk.c.path).limit(cut.size).subquery("d")
    begin = sa.case((d.c.path == at_path, sa.literal(at_name, sa.Text)), else_=sa.literal("", sa.Text))
    status = [] if _names_status(selection.terms) else [files.c.status == sql.GOOD]
    inner = (
        sa.select(*file_columns(files))
        .where(files.c.dir_id == d.c.dir_id, files.c.name > begin, *status, *_of_names(selection.terms))
        .order_by(files.c.name)
        .limit(cut.size)
        .lateral("f")
    )
    looked = sa.select(inner, *(column for column in d.c if column.name != "dir_id")).select_from(
        d.join(inner, sa.true())
    )
    c = looked.order_by(d.c.path, inner.c.name).limit(cut.size).cte("c")
    numbers = [
        sa.select(sa.func.count()).select_from(c).scalar_subquery().label("number"),
        sa.select(sa.func.count()).select_from(chunk).scalar_subquery().label("directories"),
        sa.select(sa.func.max(chunk.c.path)).scalar_subquery().label("last"),
    ]
    last = sa.select(c.c.path, c.c.name).order_by(c.c.path.desc(), c.c.name.desc()).limit(1).subquery()
    bounds = sa.select(*numbers, last.c.path.label("end_0"), last.c.name.label("end_1"))
    one = sa.select(sa.literal(1)).subquery()
    bounds = bounds.select_from(one.outerjoin(last, sa.true()))
    return _answer(
        c, of_files(selection, c.c), [c.c.path, c.c.name], bounds.subquery("bounds"), (selection, plan, cut, shown)
    )


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
    c: sa.CTE,
    clauses: Sequence[sql.Clause],
    keys: Sequence[sa.ColumnElement[Any]],
    bounds: sa.Subquery,
    how: tuple[Selection, Plan, Cut, Sequence[Shown]],
) -> sa.Select[Any]:
    """Return the rows that match, each with the bounds of the slice; without a match one row has the bounds alone."""
    selection, plan, cut, shown = how
    may_read = readable_directories(selection)
    ordered = [key.desc() if plan.is_descending else key for key in keys]
    m = sa.select(c).where(*clauses).order_by(*ordered).limit(cut.rows).subquery("m")
    places = [m.c[key.name].label(f"place_{number}") for number, key in enumerate(keys)]
    values = [
        sql.shown_value(each.name, each.type, each.field, m.c, may_read=may_read).label(f"value_{n}")
        for n, each in enumerate(shown)
    ]
    inner = sa.select(*places, *values).subquery("r")
    statement = sa.select(bounds, inner).select_from(bounds.outerjoin(inner, sa.true()))
    order = [inner.c[f"place_{number}"] for number in range(len(keys))]
    return statement.order_by(*(key.desc() if plan.is_descending else key for key in order))


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


def required_sets(selection: Selection) -> Sequence[int] | None:
    """Return the sets of which a directory must have one, if its fields alone say so."""
    found = [
        sets
        for term in selection.terms.where
        if term.is_of_sets and not term.is_of_files and term.check.shape is not Shape.MISSING
        and (sets := selection.matches.get(term)) is not None
    ]  # fmt: skip
    return min(found, key=len) if found else None
