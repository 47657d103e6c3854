"""Declared metadata fields of a VO: which values they take, and how a value is written in JSON; pure."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from weyl.kit.search import is_storable

FIELDS_MAX = 1_000
"""Fields that one VO may declare."""
CHOICES_MAX = 1_000
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
TEXT_BYTES_MAX = 4_096
INDEXED_TEXT_BYTES_MAX = 1_024
"""An entry of an index holds no more than 2,704 bytes."""
INT_BITS = 63

BUILT_IN = (
    "FileID",
    "LFN",
    "Name",
    "Directory",
    "Size",
    "GUID",
    "Checksum",
    "Owner",
    "Group",
    "CreationTime",
    "ModificationTime",
    "Status",
    "SE",
    "ReplicaCount",
    "Ancestor",
    "JobID",
    "Dataset",
)
"""Parameters that every file has: no field may take one of these names, in any case."""

_RESERVED = {name.casefold() for name in BUILT_IN}
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 60


class FieldType(StrEnum):
    """What the values of a field are."""

    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    BOOL = "bool"
    DATE = "date"
    TIME = "time"


class AppliesTo(StrEnum):
    """What may have values of a field."""

    DIRECTORY = "directory"
    FILE = "file"
    BOTH = "both"


Value = int | float | str | bool
"""A value as JSON has it: a date is `YYYY-MM-DD`, a time `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`."""

Typed = Mapping[int, Value | None]
"""Values by the ids of their fields; None takes the value away."""


class BadValue(ValueError):
    """A value that its field does not take, or a field that does not exist; the text is for the one who sent it."""


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """A field as its VO has declared it."""

    field_id: int
    name: str
    type: FieldType
    on: AppliesTo
    is_indexed: bool = False
    is_filled: bool = True
    """False while values of files are on their way from or to the table of indexed values."""
    unit: str | None = None
    choices: tuple[Value, ...] | None = None
    help: str | None = None

    @property
    def is_of_files(self) -> bool:
        """Whether files may have values of their own."""
        return self.on is not AppliesTo.DIRECTORY

    @property
    def is_of_directories(self) -> bool:
        """Whether directories may have values."""
        return self.on is not AppliesTo.FILE


Declared = Mapping[str, DeclaredField]
"""The fields of a VO by their names."""


def is_reserved(name: str) -> bool:
    """Tell whether a name belongs to a parameter that every file has."""
    return name.casefold() in _RESERVED


def unknown(name: str, known: Iterable[str], what: str = "field") -> str:
    """Return the sentence about a name that does not exist, with the nearest one that does."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "GET /api/files/fields lists those of your VO"
    return f"There is no {what} {name[:_SHOWN]!r}; {hint}"


def values_of(declared: Declared, values: Mapping[str, Any], *, on: AppliesTo) -> dict[int, Value | None]:
    """Return values of a file or a directory by the ids of their fields; raises `BadValue`.

    `None` stands for a value that is taken away.
    """
    typed: dict[int, Value | None] = {}
    for name, value in values.items():
        field = declared.get(name)
        if field is None:
            raise BadValue(unknown(name, declared))
        if field.on not in (on, AppliesTo.BOTH):
            others = "directories" if on is AppliesTo.FILE else "files"
            raise BadValue(f"{name} is a field of {others}: it is declared on {field.on.value!r}")
        typed[field.field_id] = None if value is None else value_of(field, value)
    return typed


def value_of(field: DeclaredField, value: Any) -> Value:
    """Return a value as its field keeps it; raises `BadValue` if the field does not take it."""
    kept = as_type(field.type, value, name=field.name)
    if field.type is FieldType.TEXT:
        most = INDEXED_TEXT_BYTES_MAX if field.is_indexed else TEXT_BYTES_MAX
        if len(str(kept).encode()) > most:
            raise BadValue(f"{field.name}: a text of an {_indexed(field)} field has at most {most} bytes")
    if field.choices is not None and kept not in field.choices:
        shown = ", ".join(map(str, field.choices[:20]))
        raise BadValue(f"{field.name}: {_quoted(value)} is not one of its values: {shown}")
    return kept


def as_type(kind: FieldType, value: Any, *, name: str) -> Value:
    """Return a value as one of a type; raises `BadValue`.

    Commands and JDL know texts only, so a number, a time, true and false may be spelled out.
    """
    return _READERS[kind](value, name)


def time_text(at: datetime) -> str:
    """Return a time as values have it: UTC, the fraction only if it is not zero."""
    at = at.astimezone(UTC)
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return at.replace(tzinfo=None, microsecond=0).isoformat() + fraction + "Z"


def _indexed(field: DeclaredField) -> str:
    return "indexed" if field.is_indexed else "unindexed"


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _refused(name: str, value: Any, what: str) -> BadValue:
    return BadValue(f"{name}: {_quoted(value)} is not {what}")


def _int(value: Any, name: str) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(name, value, "a whole number")
    if not -(1 << INT_BITS) <= value < 1 << INT_BITS:
        raise BadValue(f"{name}: a whole number has at most 64 bits")
    return value


def _float(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _refused(name, value, "a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _refused(name, value, "a number") from None
    if not math.isfinite(number):
        raise BadValue(f"{name}: a number must be finite")
    return number


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _refused(name, value, "a text: write it in quotes")
    if not is_storable(value):
        raise BadValue(f"{name}: a text holds characters only, and no NUL")
    return value


def _bool(value: Any, name: str) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise _refused(name, value, "true or false")
    return value


def _date(value: Any, name: str) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError as error:
            raise BadValue(f"{name}: {value!r} is not a date: {error}") from None
    raise _refused(name, value, "a date: write YYYY-MM-DD")


def _time(value: Any, name: str) -> str:
    refused = _refused(name, value, "a time: write YYYY-MM-DDTHH:MM:SS, in UTC or with an offset")
    if not isinstance(value, str):
        raise refused
    try:
        at = datetime.fromisoformat(value.strip())
        return time_text(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise refused from None


_READERS: Mapping[FieldType, Callable[[Any, str], Value]] = {
    FieldType.INT: _int,
    FieldType.FLOAT: _float,
    FieldType.TEXT: _text,
    FieldType.BOOL: _bool,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
}
