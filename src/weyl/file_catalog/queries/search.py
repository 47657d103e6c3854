"""SQL of searches for files: which files are meant, and what the indexes know of them."""

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
from weyl.file_catalog.probes import Tree
from weyl.file_catalog.queries import terms as sql
from weyl.file_catalog.tables import directories, file_usage, file_vos, files, identities, metadata_sets
from weyl.kit.db import Tx
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import estimate, fetch

SETS_MAX = 10_000
"""More sets that meet a term are not listed, but looked up file by file."""
FILE_COLUMNS = (
    "file_id", "name", "size", "adler32", "md5", "sha1", "sha256", "guid", "owner_id", "group_id", "mode", "status",
    "job_id", "created_at", "modified_at",
)  # fmt: skip
DIRECTORY_COLUMNS = {
    "path": "path",
    "vo_id": "vo_id",
    "set_id": "metadata_set_id",
    "d_owner_id": "owner_id",
    "d_group_id": "group_id",
    "d_mode": "mode",
}


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


def in_tree(tree: Tree, path: sa.ColumnElement[str]) -> list[sql.Clause]:
    if tree.top is None:
        return []
    inside: list[sql.Clause] = [sa.or_(path == tree.top, sa.and_(path >= f"{tree.top}/", path < tree.end))]
    if tree.depth is not None:
        levels = sa.func.length(path) - sa.func.length(sa.func.replace(path, "/", ""))
        inside.append(levels <= tree.top.count("/") + tree.depth)
    return inside


def of_directories(selection: Selection, c: sql.Columns) -> list[sql.Clause]:
    """Return what a directory alone decides: its VO, its mode, its place, and fields that only directories have."""
    clauses = [c.vo_id == _vo(selection.member), *_may_read(selection, c, "d_"), *in_tree(selection.tree, c.path)]
    for term in selection.terms.where:
        sets = selection.matches.get(term)
        if term.is_of_sets and not term.is_of_files and sets is not None:
            clauses.append(sql.set_clause(term, c.set_id, sets))
    return clauses


def of_files(selection: Selection, c: sql.Columns, known: Collection[Term] = ()) -> list[sql.Clause]:
    """Return what is decided file by file, but for terms that are known to be met."""
    terms, matches, may_read = selection.terms, selection.matches, readable_directories(selection)
    clauses = [c.status.in_([sql.GOOD, sql.TRASH]) if names_status(terms) else c.status == sql.GOOD]
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


def names_status(terms: Terms) -> bool:
    return any(term.parameter == "Status" and term.field is None for term in terms.every())


def file_columns(table: sa.FromClause) -> list[sql.Element]:
    """Return what searches look at of a file."""
    return [table.c[name] for name in FILE_COLUMNS]


def directory_columns(table: sa.FromClause) -> list[sql.Element]:
    """Return what searches look at of a directory."""
    return [table.c[name].label(label) for label, name in DIRECTORY_COLUMNS.items()]


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


@dataclass(frozen=True, slots=True)
class Probed:
    """How many files meet terms, and lie in a part of the tree; None: more than a probe counts, or all of it."""

    sizes: Mapping[Term, int | None]
    tree_files: int | None
    is_few: bool
    """Few directories have one of the sets that are asked for."""
    used: int
    """How many files the kept sums have for the directory at the top, but for the latest changes."""


async def probe(tx: Tx, tree: Tree, terms: Sequence[Term], sets: Sequence[int] | None) -> Probed:
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
        [row] = await fetch(tx, sa.select(*counts, _bounded(having), _used(tree) if tree.is_part else sa.literal(0)))
    *sizes, below, few = (None if count > probes.PROBE_MAX else count for count in row[:-1])
    return Probed(dict(zip(terms, sizes, strict=True)), below, sets is not None and few is not None, row[-1] or 0)


def _used(tree: Tree) -> sa.ColumnElement[int]:
    top = str(tree.top)
    of_top = sa.select(directories.c.dir_id).where(directories.c.path_hash == path_hash(top), directories.c.path == top)
    used = sa.select(file_usage.c.files).where(file_usage.c.dir_id == of_top.scalar_subquery(), file_usage.c.se_id == 0)
    return used.scalar_subquery()


async def estimate_tree(tx: Tx, tree: Tree, probed: Probed) -> int:
    """Return how many files are expected in a part of the tree; the database takes all directories for equally full."""
    return max(probed.used, probes.PROBE_MAX + 1, await estimate(tx, _files_below(tree)))


async def estimate_source(tx: Tx, term: Term) -> int:
    """Return how many files the database expects an index to find for a term; it looks at none of them."""
    return await estimate(tx, sql.source(term))


def _files_below(tree: Tree) -> sa.Select[Any]:
    """Return the files at or below a directory, of the index of their names alone."""
    path = directories.c.path
    d = sa.select(directories.c.dir_id).where(path >= tree.start, path < tree.end, *in_tree(tree, path)).subquery("d")
    f = sa.select(files.c.name).where(files.c.dir_id == d.c.dir_id, files.c.status == sql.GOOD).offset(0).lateral("f")
    return sa.select(f.c.name).select_from(d.join(f, sa.true()))


def _bounded(statement: sa.Select[Any]) -> sa.ColumnElement[int]:
    some = statement.limit(probes.PROBE_MAX + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def required_sets(selection: Selection) -> Sequence[int] | None:
    """Return the sets of which a directory must have one, if its fields alone say so."""
    found = [
        sets
        for term in selection.terms.where
        if term.is_of_sets and not term.is_of_files and term.check.shape is not Shape.MISSING
        and (sets := selection.matches.get(term)) is not None
    ]  # fmt: skip
    return min(found, key=len) if found else None
