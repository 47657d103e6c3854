"""Conditions on files: what each means for the type of its parameter, and whether a value meets it; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from weyl.file_catalog.fields import (
    BadValue,
    Declared,
    DeclaredField,
    FieldType,
    as_type,
    unknown,
)
from weyl.file_catalog.models.search import FileCondition, FileQuery, Operator
from weyl.kit.search import Period, edges, is_storable, parse_period

REGEX_MAX = 256
_BACK_REFERENCE = re.compile(r"(?:^|[^\\])(?:\\\\)*\\[1-9]")


class ParameterType(StrEnum):
    """What the values of a parameter are, beside the types of fields."""

    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"
    GUID = "guid"
    CHECKSUM = "checksum"
    ANCESTOR = "ancestor"


BUILT_IN_TYPES: Mapping[str, ParameterType] = {
    "FileID": ParameterType.INT,
    "LFN": ParameterType.TEXT,
    "Name": ParameterType.TEXT,
    "Directory": ParameterType.TEXT,
    "Size": ParameterType.INT,
    "GUID": ParameterType.GUID,
    "Checksum": ParameterType.CHECKSUM,
    "Owner": ParameterType.TEXT,
    "Group": ParameterType.TEXT,
    "CreationTime": ParameterType.TIME,
    "ModificationTime": ParameterType.TIME,
    "Status": ParameterType.TEXT,
    "SE": ParameterType.TEXT,
    "ReplicaCount": ParameterType.INT,
    "Ancestor": ParameterType.ANCESTOR,
    "JobID": ParameterType.INT,
}

_ORDERED = frozenset({Operator.GREATER_THAN, Operator.LESS_THAN, Operator.AT_LEAST, Operator.AT_MOST, Operator.BETWEEN})
_PATTERNS = frozenset({Operator.LIKE, Operator.NOT_LIKE, Operator.REGEX})
_NEGATED = frozenset({Operator.NOT_EQUAL, Operator.NOT_IN, Operator.NOT_LIKE})
_EXACT = frozenset({Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN, Operator.NOT_IN})
_NAMED = frozenset({Operator.EQUAL, Operator.IN})
_PRESENCE = frozenset({Operator.EXISTS, Operator.MISSING})

# What each type can be asked beside whether there is a value at all.
_TAKES: Mapping[ParameterType, frozenset[Operator]] = {
    ParameterType.INT: _EXACT | _ORDERED,
    ParameterType.FLOAT: _EXACT | _ORDERED,
    ParameterType.TEXT: _EXACT | _ORDERED | _PATTERNS,
    ParameterType.BOOL: _EXACT,
    ParameterType.DATE: _EXACT | _ORDERED,
    ParameterType.TIME: _EXACT | _ORDERED,
    ParameterType.GUID: _EXACT,
    ParameterType.CHECKSUM: _NAMED,
    ParameterType.ANCESTOR: _NAMED,
}


class Shape(StrEnum):
    """The form of a check."""

    AMONG = "among"
    RANGE = "range"
    PERIODS = "periods"
    LIKE = "like"
    REGEX = "regex"
    EXISTS = "exists"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked of a value.

    `AMONG` looks for it in `values`; `RANGE` compares it with `low` and `high`; `PERIODS` finds it in one of the
    stretches of time that `values` begin and end in turns. `is_negated` holds for values that are there only.
    """

    shape: Shape
    values: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    with_low: bool = True
    with_high: bool = True
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """A condition with its parameter known: a declared field, or one that every file has."""

    parameter: str
    type: ParameterType
    check: Check
    field: DeclaredField | None = None

    @property
    def is_of_sets(self) -> bool:
        """Whether the values of directories decide it, or help to."""
        return self.field is not None and self.field.is_of_directories

    @property
    def is_of_files(self) -> bool:
        """Whether the file itself may have the value."""
        return self.field is None or self.field.is_of_files


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions of a query: all of `where`, and all of one of `alternatives` if there are any."""

    where: tuple[Term, ...]
    alternatives: tuple[tuple[Term, ...], ...] = ()

    def every(self) -> list[Term]:
        """Return all terms, wherever they stand."""
        return [*self.where, *(term for each in self.alternatives for term in each)]


def terms_of(query: FileQuery, declared: Declared) -> Terms:
    """Return the terms of a query; raises `BadValue` for names and values that make no sense."""
    return Terms(
        tuple(_term(condition, declared) for condition in query.where),
        tuple(tuple(_term(condition, declared) for condition in each) for each in query.any),
    )


def parameter_type(name: str, declared: Declared) -> ParameterType:
    """Return the type of a parameter; raises `BadValue` if there is none of this name."""
    built_in = BUILT_IN_TYPES.get(name)
    if built_in is not None:
        return built_in
    field = declared.get(name)
    if field is None:
        raise BadValue(unknown(name, [*BUILT_IN_TYPES, *declared], "parameter"))
    return ParameterType(field.type.value)


def needs_declared(query: FileQuery, names: Iterable[str] = ()) -> bool:
    """Tell whether a query names anything that not every file has."""
    used = {condition.parameter for each in (query.where, *query.any) for condition in each} | set(names)
    return not used <= BUILT_IN_TYPES.keys()


def operators_of(kind: ParameterType) -> frozenset[Operator]:
    """Return what can be asked of values of a type."""
    return _TAKES[kind] | _PRESENCE


def _term(condition: FileCondition, declared: Declared) -> Term:
    name, operator = condition.parameter, condition.operator
    kind = parameter_type(name, declared)
    if operator not in operators_of(kind):
        takes = ", ".join(word for word in Operator if word in operators_of(kind))
        raise BadValue(f"{name} is of type {kind.value}: {operator.value!r} does not apply to it; take one of {takes}")
    if operator in _PRESENCE:
        check = Check(Shape(operator.value))
    elif operator in _PATTERNS:
        check = _pattern(name, operator, condition.value)
    elif kind in (ParameterType.TIME, ParameterType.DATE):
        check = _times(name, operator, _given(condition))
    else:
        check = _values(operator, [_typed(kind, name, value) for value in _given(condition)])
    return Term(name, kind, check, declared.get(name) if name not in BUILT_IN_TYPES else None)


def _given(condition: FileCondition) -> list[Any]:
    return list(condition.values) if condition.values is not None else [condition.value]


def _typed(kind: ParameterType, name: str, value: Any) -> Any:
    match kind:
        case ParameterType.GUID:
            return _guid(name, value)
        case ParameterType.CHECKSUM:
            return checksum_of(name, value)
        case ParameterType.ANCESTOR:
            return _ancestor(name, value)
        case _:
            return as_type(FieldType(kind.value), value, name=name)


def _ancestor(name: str, value: Any) -> Any:
    """An ancestor is named by its id or its LFN."""
    is_id = isinstance(value, int) and not isinstance(value, bool)
    return as_type(FieldType.INT if is_id else FieldType.TEXT, value, name=name)


def _guid(name: str, value: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise BadValue(f"{name}: {value!r} is not a GUID") from None


_HEX = re.compile(r"(?:(adler32|md5|sha1|sha256):)?([0-9a-fA-F]{1,64})")
_DIGITS = {8: "adler32", 32: "md5", 40: "sha1", 64: "sha256"}


def checksum_of(name: str, value: Any) -> tuple[str, str]:
    """Return kind and digits of a checksum, written `adler32:0a1b2c3d` or as digits alone; raises `BadValue`."""
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        digits = match[2].lower()
        kind = match[1] or _DIGITS.get(len(digits))
        if kind == "adler32" and len(digits) <= 8:
            return kind, digits.rjust(8, "0")
        if kind is not None and _DIGITS.get(len(digits)) == kind:
            return kind, digits
    raise BadValue(f"{name}: {value!r} is not a checksum: write adler32:, md5:, sha1: or sha256: and its digits")


def _values(operator: Operator, values: Sequence[Any]) -> Check:
    match operator:
        case Operator.GREATER_THAN:
            return Check(Shape.RANGE, low=values[0], with_low=False)
        case Operator.LESS_THAN:
            return Check(Shape.RANGE, high=values[0], with_high=False)
        case Operator.AT_LEAST:
            return Check(Shape.RANGE, low=values[0])
        case Operator.AT_MOST:
            return Check(Shape.RANGE, high=values[0])
        case Operator.BETWEEN:
            return Check(Shape.RANGE, low=values[0], high=values[1])
        case _:
            return Check(Shape.AMONG, tuple(dict.fromkeys(values)), is_negated=operator in _NEGATED)


def _times(name: str, operator: Operator, values: Sequence[Any]) -> Check:
    """A text names a stretch of time, as `2026-11` names a month: later than it is after its end."""
    periods = [_period(name, value) for value in values]
    first = periods[0] if periods else None
    if operator in (Operator.IN, Operator.NOT_IN) or first is None:
        return Check(Shape.PERIODS, tuple(edges(periods)), is_negated=operator in _NEGATED)
    match operator:
        case Operator.GREATER_THAN:
            return Check(Shape.PERIODS, () if first.end is None else (first.end,))
        case Operator.AT_LEAST:
            return Check(Shape.PERIODS, (first.start,))
        case Operator.LESS_THAN:
            return Check(Shape.RANGE, high=first.start, with_high=False)
        case Operator.AT_MOST:
            return Check(Shape.EXISTS) if first.end is None else Check(Shape.RANGE, high=first.end, with_high=False)
        case Operator.BETWEEN:
            end = periods[1].end
            is_empty = end is not None and end <= first.start
            return Check(Shape.PERIODS, () if is_empty else (first.start,) if end is None else (first.start, end))
        case _:
            return Check(Shape.PERIODS, tuple(edges([first])), is_negated=operator in _NEGATED)


def _period(name: str, value: Any) -> Period:
    try:
        return parse_period(str(value))
    except ValueError as error:
        raise BadValue(f"{name}: {error}") from None


def _pattern(name: str, operator: Operator, value: Any) -> Check:
    if not isinstance(value, str) or not is_storable(value):
        raise BadValue(f"{name}: a pattern is a text")
    if operator is not Operator.REGEX:
        if (len(value) - len(value.rstrip("\\"))) % 2:
            raise BadValue(f"{name}: the pattern ends with its escape character; write two of them for one")
        return Check(Shape.LIKE, (value,), is_negated=operator in _NEGATED)
    if len(value) > REGEX_MAX:
        raise BadValue(f"{name}: a regular expression has at most {REGEX_MAX} characters")
    if _BACK_REFERENCE.search(value):
        raise BadValue(f"{name}: a regular expression may not refer back (\\1): it could take any time")
    return Check(Shape.REGEX, (value,))


def literal_prefix(pattern: str) -> str:
    """Return the text that everything that a pattern of LIKE matches begins with."""
    prefix: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in "%_":
            break
        prefix.append(next(characters) if character == "\\" else character)
    return "".join(prefix)


def holds(check: Check, value: Any) -> bool:
    """Tell whether a value meets a check; None is no value, and a tuple has any number of them.

    Times are compared as times. What the database does for millions of files, said for one.
    """
    if isinstance(value, tuple):
        return _any_holds(check, value)
    if value is None or check.shape in (Shape.EXISTS, Shape.MISSING):
        return (value is None) == (check.shape is Shape.MISSING)
    return _meets(check, value) != check.is_negated


def _any_holds(check: Check, values: tuple[Any, ...]) -> bool:
    if check.shape in (Shape.EXISTS, Shape.MISSING) or not values:
        return (not values) == (check.shape is Shape.MISSING)
    return any(_meets(check, value) for value in values) != check.is_negated


def _meets(check: Check, value: Any) -> bool:
    if check.shape is Shape.PERIODS or isinstance(check.high, datetime):
        value = value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)
    match check.shape:
        case Shape.AMONG:
            return bool(value in check.values)
        case Shape.RANGE:
            above = check.low is None or value > check.low or (check.with_low and value == check.low)
            below = check.high is None or value < check.high or (check.with_high and value == check.high)
            return bool(above and below)
        case Shape.PERIODS:
            return len([edge for edge in check.values if edge <= value]) % 2 == 1
        case Shape.LIKE:
            return re.fullmatch(_as_regex(check.values[0]), value, re.DOTALL) is not None
        case _:
            return re.search(check.values[0], value) is not None


def _as_regex(pattern: str) -> str:
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        wild = {"%": ".*", "_": "."}.get(character)
        parts.append(wild or re.escape(next(characters) if character == "\\" else character))
    return "".join(parts)


def is_selective(term: Term) -> bool:
    """Tell whether an index finds what meets a term."""
    check = term.check
    if check.is_negated or check.shape in (Shape.EXISTS, Shape.MISSING, Shape.REGEX):
        return False
    if check.shape is Shape.LIKE and not literal_prefix(check.values[0]):
        return False
    if term.field is not None:
        return term.field.is_indexed or not term.field.is_of_files
    if term.parameter in ("LFN", "Directory"):
        return check.shape in (Shape.AMONG, Shape.LIKE)
    return check.shape is Shape.AMONG and term.parameter in ("FileID", "GUID", "JobID", "SE", "Ancestor")


def check_patterns(query: FileQuery, terms: Terms) -> None:
    """Raise `BadValue` for a regular expression that would be tried on every file of the VO."""
    if query.under is not None or any(is_selective(term) for term in terms.where):
        return
    for alternative in terms.alternatives or ((),):
        every = [*terms.where, *alternative]
        if any(term.check.shape is Shape.REGEX for term in every) and not any(map(is_selective, every)):
            raise BadValue("A regular expression needs `under`, or another condition that an index serves")


def warnings_of(terms: Terms) -> list[str]:
    """Return what a query is told: which of its conditions no index serves."""
    fields = {term.field.name: term.field for term in terms.every() if term.field is not None and term.is_of_files}
    slow = sorted(name for name, field in fields.items() if not field.is_indexed)
    filling = sorted(name for name, field in fields.items() if field.is_indexed and not field.is_filled)
    said = [f"not indexed, so each file is looked at: {', '.join(slow)}"] if slow else []
    return [*said, *([f"the index is being filled: {', '.join(filling)}"] if filling else [])]
