"""Terms of a search as SQL: conditions on files that are looked at, and what finds files by an index."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from weyl.config.lfns import name_of, parent_of
from weyl.file_catalog.conditions import Check, ParameterType, Shape, Term, literal_prefix
from weyl.file_catalog.fields import DeclaredField, FieldType
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.tables import (
    directories,
    file_ancestors,
    file_metadata_doc,
    file_metadata_float,
    file_metadata_int,
    file_metadata_text,
    file_metadata_time,
    files,
    identities,
    metadata_sets,
    replicas,
    se_names,
)
from weyl.kit.db import Timestamp

Columns = ReadOnlyColumnCollection[str, Any]
"""The columns of files that are looked at, with `path` and `set_id` of their directories."""
Element = sa.ColumnElement[Any]
Clause = sa.ColumnElement[bool]
Entries = sa.Select[tuple[Any, int]]
"""What an index of values holds: the value, and the id of a file."""

_TEXT = sa.Text(collation="C")
_TABLES: Mapping[FieldType, sa.Table] = {
    FieldType.INT: file_metadata_int,
    FieldType.BOOL: file_metadata_int,
    FieldType.FLOAT: file_metadata_float,
    FieldType.TEXT: file_metadata_text,
    FieldType.DATE: file_metadata_time,
    FieldType.TIME: file_metadata_time,
}
_TYPES: Mapping[FieldType, sa.types.TypeEngine[Any]] = {
    FieldType.INT: sa.BigInteger(),
    FieldType.BOOL: sa.Boolean(),
    FieldType.FLOAT: sa.Double(),
    FieldType.TEXT: _TEXT,
    FieldType.DATE: Timestamp,
    FieldType.TIME: Timestamp,
}
_LAST = chr(0x10FFFF)
# Written out: indexes of files of one status are used for what is known to be that status.
GOOD, TRASH = (sa.literal_column(f"'{status}'", sa.String()) for status in ("Good", "Trash"))


def clause(check: Check, value: Element) -> Clause:
    """Return a check of a value; of none it is false, but for `missing`."""
    if check.shape is Shape.EXISTS:
        return value.is_not(None)
    if check.shape is Shape.MISSING:
        return value.is_(None)
    met = _CLAUSES[check.shape](check, value)
    return sa.and_(value.is_not(None), sa.not_(met)) if check.is_negated else met


def _bound(value: Any, like: Element) -> Element:
    return sa.bindparam(None, value, type_=like.type)


def among(values: Sequence[Any], value: Element) -> Clause:
    """Return that a value is one of some: one array, whatever their number."""
    if len(values) == 1:
        return value == _bound(values[0], value)
    return value == sa.bindparam(None, list(values), type_=ARRAY(value.type)).any_()


def _range(check: Check, value: Element) -> Clause:
    parts: list[Clause] = []
    if check.low is not None:
        low = _bound(check.low, value)
        parts.append(value >= low if check.with_low else value > low)
    if check.high is not None:
        high = _bound(check.high, value)
        parts.append(value <= high if check.with_high else value < high)
    return sa.and_(*parts)


def _periods(check: Check, value: Element) -> Clause:
    edges = list(check.values)
    if not edges:
        return sa.and_(value.is_not(None), sa.false())
    parts = [value >= _bound(edges[0], value)]
    if len(edges) % 2 == 0:
        parts.append(value < _bound(edges[-1], value))
    if len(edges) > 2:
        bucket = sa.func.width_bucket(value, sa.bindparam(None, edges, type_=ARRAY(Timestamp)), type_=sa.Integer())
        parts.append(bucket % 2 == 1)
    return sa.and_(*parts)


def _like(check: Check, value: Element) -> Clause:
    [pattern] = check.values
    like: Clause = value.like(pattern)
    prefix = literal_prefix(pattern)
    if not prefix:
        return like
    parts = [value >= _bound(prefix, value), like]
    if (end := after_all(prefix)) is not None:
        parts.append(value < _bound(end, value))
    return sa.and_(*parts)


def after_all(prefix: str) -> str | None:
    """Return the first text behind all that begin with a prefix, in the order of bytes; None: there is no such."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    number = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if number == 0xD800 else number)


_CLAUSES: Mapping[Shape, Callable[[Check, Element], Clause]] = {
    Shape.AMONG: lambda check, value: among(check.values, value),
    Shape.RANGE: _range,
    Shape.PERIODS: _periods,
    Shape.LIKE: _like,
    Shape.REGEX: lambda check, value: value.regexp_match(check.values[0]),
}


def _from_json(field: DeclaredField, text: Element) -> Element:
    if field.type is FieldType.TEXT:
        return sa.type_coerce(sa.collate(text, "C"), _TEXT)
    return sa.cast(text, _TYPES[field.type])


def indexed_value(field: DeclaredField, table: sa.FromClause) -> Element:
    """Return the column of values as the field's type has them."""
    return table.c.value != 0 if field.type is FieldType.BOOL else table.c.value


def _own(field: DeclaredField, c: Columns) -> Element:
    """Return the value that a file itself has: at home, or where it has been until the move is over."""
    table = _TABLES[field.type].alias()
    typed = sa.select(indexed_value(field, table)).where(
        table.c.file_id == c.file_id, table.c.field_id == sa.literal(field.field_id, sa.BigInteger)
    )
    document = sa.select(_from_json(field, file_metadata_doc.c.doc[str(field.field_id)].astext)).where(
        file_metadata_doc.c.file_id == c.file_id
    )
    homes = [typed.scalar_subquery(), document.scalar_subquery()]
    if not field.is_indexed:
        homes.reverse()
    return homes[0] if field.is_filled else sa.func.coalesce(*homes, type_=_TYPES[field.type])


def of_set(field: DeclaredField, doc: sa.ColumnElement[Any] = metadata_sets.c.doc) -> Element:
    """Return the value that the document of a set has."""
    return _from_json(field, sa.type_coerce(doc, JSONB)[str(field.field_id)].astext)


def field_value(field: DeclaredField, c: Columns) -> Element:
    """Return the value that holds for a file: its own, else that of its directory."""
    inherited = (
        sa.select(of_set(field)).where(metadata_sets.c.metadata_set_id == c.set_id).scalar_subquery()
        if field.is_of_directories
        else None
    )
    if inherited is None:
        return _own(field, c)
    if not field.is_of_files:
        return inherited
    return sa.func.coalesce(_own(field, c), inherited, type_=_TYPES[field.type])


def _identity(number: Element) -> Element:
    """Return the name of an owner or a group; names are compared as bytes here, as everywhere."""
    name = sa.type_coerce(sa.collate(identities.c.name, "C"), _TEXT)
    return sa.select(name).where(identities.c.identity_id == number).scalar_subquery()


def _lfn(path: Element, name: Element) -> Element:
    return sa.type_coerce(path.op("||")(sa.literal("/", sa.Text)).op("||")(name), _TEXT)


def _replica_count(c: Columns) -> Element:
    count = sa.select(sa.func.count()).select_from(replicas).where(replicas.c.file_id == c.file_id)
    return sa.type_coerce(count.scalar_subquery(), sa.BigInteger)


BUILT_IN_VALUES: Mapping[str, Callable[[Columns], Element]] = {
    "FileID": lambda c: c.file_id,
    "LFN": lambda c: _lfn(c.path, c.name),
    "Name": lambda c: c.name,
    "Directory": lambda c: c.path,
    "Size": lambda c: c.size,
    "GUID": lambda c: c.guid,
    "Owner": lambda c: _identity(c.owner_id),
    "Group": lambda c: _identity(c.group_id),
    "CreationTime": lambda c: c.created_at,
    "ModificationTime": lambda c: c.modified_at,
    "Status": lambda c: sa.type_coerce(sa.collate(c.status, "C"), _TEXT),
    "ReplicaCount": _replica_count,
    "JobID": lambda c: c.job_id,
}
"""Parameters of which every file has one value at most."""


def holds(
    term: Term, c: Columns, matches: Mapping[Term, Sequence[int] | None], may_read: Sequence[Clause] = ()
) -> Clause:
    """Return the condition of a term on a file; `matches` are the sets that meet terms, where they are few.

    `may_read` says which directories ancestors may lie in to be named: nobody finds out about others.
    """
    if term.field is not None:
        sets = matches.get(term)
        if not term.field.is_of_files and sets is not None:
            return set_clause(term, c.set_id, sets)
        return clause(term.check, field_value(term.field, c))
    if term.parameter == "Ancestor":
        return _on_ancestors(term.check, c, may_read)
    special = _SPECIAL.get(term.parameter)
    if special is not None:
        return special(term.check, c)
    return clause(term.check, BUILT_IN_VALUES[term.parameter](c))


def needs_id_only(term: Term) -> bool:
    """Tell whether the id of a file is enough to look a term up."""
    return not term.is_of_sets if term.field is not None else term.parameter in ("FileID", "SE", "Ancestor")


def set_clause(term: Term, set_id: Element, sets: Sequence[int]) -> Clause:
    """Return that a directory has one of the sets that meet a term, or none where nothing is asked for."""
    known = set_id == sa.bindparam(None, list(sets), type_=ARRAY(sa.BigInteger)).any_()
    return sa.or_(set_id.is_(None), known) if term.check.shape is Shape.MISSING else known


def _on_replicas(check: Check, c: Columns) -> Clause:
    """One replica meets it; negated, some are there and none does. Fenced, or the database might read them all."""
    mine = sa.select(sa.literal(1)).join_from(replicas, se_names, replicas.c.se_id == se_names.c.se_id)
    mine = mine.where(replicas.c.file_id == c.file_id).offset(0)
    some = sa.exists(mine)
    if check.shape in (Shape.EXISTS, Shape.MISSING):
        return some if check.shape is Shape.EXISTS else sa.not_(some)
    name = sa.type_coerce(sa.collate(se_names.c.name, "C"), _TEXT)
    met = sa.exists(mine.where(_CLAUSES[check.shape](check, name)))
    return sa.and_(some, sa.not_(met)) if check.is_negated else met


def _on_checksums(check: Check, c: Columns) -> Clause:
    columns = {"adler32": c.adler32, "md5": c.md5, "sha1": c.sha1, "sha256": c.sha256}
    if check.shape in (Shape.EXISTS, Shape.MISSING):
        some = sa.or_(*(column.is_not(None) for column in columns.values()))
        return some if check.shape is Shape.EXISTS else sa.not_(some)
    return sa.or_(sa.false(), *(columns[kind] == _digest(kind, digits) for kind, digits in check.values))


def _digest(kind: str, digits: str) -> Element:
    if kind == "adler32":
        return sa.literal(int.from_bytes(bytes.fromhex(digits), signed=True), sa.Integer)
    return sa.literal(bytes.fromhex(digits), sa.LargeBinary)


def _on_ancestors(check: Check, c: Columns, may_read: Sequence[Clause]) -> Clause:
    mine = sa.select(sa.literal(1)).where(file_ancestors.c.file_id == c.file_id).offset(0)
    if check.shape in (Shape.EXISTS, Shape.MISSING):
        return sa.exists(mine) if check.shape is Shape.EXISTS else sa.not_(sa.exists(mine))
    mine = mine.where(file_ancestors.c.ancestor_id == _ids_of(check))
    if may_read:
        own = files.alias()
        named = sa.select(sa.literal(1)).select_from(own.join(directories, directories.c.dir_id == own.c.dir_id))
        mine = mine.where(sa.exists(named.where(own.c.file_id == file_ancestors.c.ancestor_id, *may_read)))
    return sa.exists(mine)


_SPECIAL: Mapping[str, Callable[[Check, Columns], Clause]] = {
    "SE": _on_replicas,
    "Checksum": _on_checksums,
}


def _ids_of(check: Check) -> Element:
    """Return any of the files that are named by id or LFN."""
    ids = [value for value in check.values if isinstance(value, int)]
    lfns = [value for value in check.values if isinstance(value, str)]
    named = sa.select(by_names(lfns).subquery().c.file_id).union_all(
        sa.select(sa.func.unnest(sa.bindparam(None, ids, type_=ARRAY(sa.BigInteger))))
    )
    return sa.any_(sa.func.array(named.scalar_subquery(), type_=ARRAY(sa.BigInteger)))


def by_names(lfns: Sequence[str]) -> sa.Select[tuple[int]]:
    """Return the ids of files by their names."""
    hashes = sa.bindparam(None, [path_hash(parent_of(lfn)) for lfn in lfns], type_=ARRAY(sa.LargeBinary))
    paths = sa.bindparam(None, [parent_of(lfn) for lfn in lfns], type_=ARRAY(sa.Text))
    names = sa.bindparam(None, [name_of(lfn) for lfn in lfns], type_=ARRAY(sa.Text))
    wanted = sa.func.unnest(hashes, paths, names).table_valued("hash", "path", "name").render_derived(name="wanted")
    d = (
        sa.select(directories.c.dir_id)
        .where(directories.c.path_hash == wanted.c.hash, directories.c.path == wanted.c.path)
        .offset(0)
        .lateral("d")
    )
    f = sa.union_all(
        *(
            sa.select(files.c.file_id).where(
                files.c.dir_id == d.c.dir_id, files.c.name == wanted.c.name, files.c.status == status
            )
            for status in (GOOD, TRASH)
        )
    ).lateral("f")
    return sa.select(f.c.file_id).select_from(wanted.join(d, sa.true()).join(f, sa.true()))


def _se_ids(names: Sequence[str]) -> Element:
    known = sa.select(se_names.c.se_id).where(among(names, se_names.c.name)).scalar_subquery()
    return sa.any_(sa.func.array(known, type_=ARRAY(sa.BigInteger)))


_SOURCES: Mapping[str, Callable[[Check], sa.Select[tuple[int]]]] = {
    "FileID": lambda check: sa.select(files.c.file_id).where(among(check.values, files.c.file_id)),
    "LFN": lambda check: by_names(check.values),
    "GUID": lambda check: sa.select(files.c.file_id).where(among(check.values, files.c.guid)),
    "JobID": lambda check: sa.select(files.c.file_id).where(among(check.values, files.c.job_id)),
    "SE": lambda check: sa.select(replicas.c.file_id).where(replicas.c.se_id == _se_ids(check.values)),
    "Ancestor": lambda check: sa.select(file_ancestors.c.file_id).where(file_ancestors.c.ancestor_id == _ids_of(check)),
}


def source(term: Term, *, is_probed: bool = False) -> sa.Select[tuple[int]]:
    """Return the ids of the files that an index finds for a term; some of them may be gone, or of another VO.

    A probe takes them in the order of the index: a database that hopes to find enough of them by reading the table from
    its beginning may be wrong.
    """
    if term.field is None:
        found = _SOURCES[term.parameter](term.check)
        return found.order_by(found.selected_columns[0]) if is_probed and term.parameter == "SE" else found
    table = _TABLES[term.field.type].alias()
    of_field = table.c.field_id == sa.literal(term.field.field_id, sa.BigInteger)
    if term.field.type is FieldType.BOOL:
        number = Check(term.check.shape, tuple(int(value) for value in term.check.values))
        found = sa.select(table.c.file_id).where(of_field, clause(number, table.c.value))
    else:
        found = sa.select(table.c.file_id).where(of_field, clause(term.check, table.c.value))
    return found.order_by(table.c.value, table.c.file_id) if is_probed else found


def values_of(term: Term) -> tuple[Element, Element, Entries]:
    """Return the columns of values and of ids of a field, and what an index finds there for a range (`at`, ids)."""
    assert term.field is not None, "a range of values of a field"
    c = _TABLES[term.field.type].alias().c
    of_field = c.field_id == sa.literal(term.field.field_id, sa.BigInteger)
    return c.value, c.file_id, sa.select(c.value.label("at"), c.file_id).where(of_field, clause(term.check, c.value))


def shown_value(
    name: str, kind: ParameterType, field: DeclaredField | None, c: Columns, *, may_read: Sequence[Clause]
) -> Element:
    """Return a parameter of a file as answers have it; `may_read` says which directories other files are named of."""
    if field is not None:
        value = field_value(field, c)
        return sa.func.to_char(value, "YYYY-MM-DD") if kind is ParameterType.DATE else value
    if name == "Ancestor":
        return _shown_ancestors(c, may_read)
    lists = _LISTS.get(name)
    return BUILT_IN_VALUES[name](c) if lists is None else lists(c)


def _shown_replicas(c: Columns) -> Element:
    names = sa.select(se_names.c.name).join(replicas, replicas.c.se_id == se_names.c.se_id)
    names = names.where(replicas.c.file_id == c.file_id).order_by(se_names.c.name)
    return sa.func.array(names.scalar_subquery(), type_=ARRAY(sa.Text))


def _shown_ancestors(c: Columns, may_read: Sequence[Clause]) -> Element:
    names = sa.select(_lfn(directories.c.path, files.c.name)).select_from(
        file_ancestors.join(files, files.c.file_id == file_ancestors.c.ancestor_id).join(
            directories, directories.c.dir_id == files.c.dir_id
        )
    )
    names = names.where(file_ancestors.c.file_id == c.file_id, *may_read).order_by(files.c.file_id)
    return sa.func.array(names.scalar_subquery(), type_=ARRAY(sa.Text))


def _shown_checksum(c: Columns) -> Element:
    adler32 = sa.func.lpad(sa.func.to_hex(c.adler32), 8, "0")
    digests = [(kind, sa.func.encode(c[kind], "hex")) for kind in ("sha256", "sha1", "md5")]
    return sa.func.coalesce(*(f"{kind}:" + text for kind, text in [*digests, ("adler32", adler32)]), type_=sa.Text)


_LISTS: Mapping[str, Callable[[Columns], Element]] = {
    "SE": _shown_replicas,
    "Checksum": _shown_checksum,
}
