"""What is asked of a search for files, and of a summary of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from weyl.file_catalog.models.fields import Scalar
from weyl.file_catalog.models.files import Path
from weyl.kit.bounds import ClosedModel, Name
from weyl.kit.errors import BadRequest
from weyl.kit.search import COLUMNS_MAX, CONDITIONS_MAX, VALUES_MAX, SortSpec

ALTERNATIVES_MAX = 8
DEPTH_MAX = 64
GROUPING_MAX = 3
QUERY_BYTES_MAX = 4 << 20


class Operator(StrEnum):
    """How a parameter of a file is compared."""

    EQUAL = "eq"
    NOT_EQUAL = "neq"
    GREATER_THAN = "gt"
    LESS_THAN = "lt"
    AT_LEAST = "gte"
    AT_MOST = "lte"
    BETWEEN = "between"
    IN = "in"
    NOT_IN = "not in"
    LIKE = "like"
    NOT_LIKE = "not like"
    REGEX = "regex"
    EXISTS = "exists"
    MISSING = "missing"


LISTS = frozenset({Operator.IN, Operator.NOT_IN, Operator.BETWEEN})
ALONE = frozenset({Operator.EXISTS, Operator.MISSING})

# The words of legacy dictionaries of metadata.
_LEGACY = {
    "=": Operator.EQUAL,
    "==": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
    ">=": Operator.AT_LEAST,
    "<=": Operator.AT_MOST,
    "in": Operator.IN,
    "nin": Operator.NOT_IN,
}


def _known_operator(name: object) -> object:
    """A word that is no operator is a mistake of the one who searches, not a malformed request."""
    if isinstance(name, str) and name not in list(Operator):
        raise BadRequest(f"There is no operator {name[:60]!r}; the operators are {', '.join(Operator)}")
    return name


class FileCondition(ClosedModel):
    """One condition on a parameter of a file: a field of the VO, or one that every file has."""

    parameter: Name
    operator: Annotated[Operator, BeforeValidator(_known_operator)]
    value: Scalar | None = None
    """For all operators but `in`, `not in`, `between`, `exists` and `missing`."""
    values: Annotated[list[Scalar], Field(max_length=VALUES_MAX, fail_fast=True)] | None = None
    """For `in` and `not in`; for `between` two, the smaller one first."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        wanted = "values" if self.operator in LISTS else None if self.operator in ALONE else "value"
        given = {name for name in ("value", "values") if getattr(self, name) is not None}
        if given != ({wanted} if wanted else set()):
            needs = f"`{wanted}`" if wanted else "neither `value` nor `values`"
            raise PydanticCustomError(
                "operator", "{operator} takes {needs}", {"operator": self.operator, "needs": needs}
            )
        if self.operator is Operator.BETWEEN and len(self.values or ()) != 2:
            raise PydanticCustomError("operator", "between takes two values", {})
        return self


def conditions_of(legacy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions that a legacy dictionary of metadata stands for; raises `BadRequest`.

    `{"Run": {">=": 1200, "<": 1300}, "Particle": ["gamma", "proton"], "DataType": "DST"}`
    """
    found: list[dict[str, Any]] = []
    for name, wanted in legacy.items():
        pairs = wanted.items() if isinstance(wanted, Mapping) else [("in" if isinstance(wanted, list) else "=", wanted)]
        for word, value in pairs:
            operator = _LEGACY.get(word)
            if operator is None:
                raise BadRequest(f"{name}: there is no operator {word!r} in a dictionary; take {', '.join(_LEGACY)}")
            if operator in LISTS:
                found.append({"parameter": name, "operator": operator.value, "values": value})
            else:
                found += _each(name, operator, value)
    return found


def _each(name: str, operator: Operator, value: Any) -> list[dict[str, Any]]:
    """`=` and `!=` of a list are `in` and `nin`."""
    lists = {Operator.EQUAL: Operator.IN, Operator.NOT_EQUAL: Operator.NOT_IN}
    if isinstance(value, list) and operator in lists:
        return [{"parameter": name, "operator": lists[operator].value, "values": value}]
    return [{"parameter": name, "operator": operator.value, "value": value}]


def _from_legacy(where: Any) -> Any:
    if isinstance(where, Mapping):
        if len(where) > CONDITIONS_MAX:
            raise PydanticCustomError("too_long", "a query has at most {most} conditions", {"most": CONDITIONS_MAX})
        return conditions_of(where)
    return where


Where = Annotated[list[FileCondition], Field(max_length=CONDITIONS_MAX), BeforeValidator(_from_legacy)]


class FileQuery(ClosedModel):
    """Which files: below a directory, meeting all of `where` and, if given, all of at least one list of `any`."""

    under: Path | None = None
    """A directory; by default all directories of the VO."""
    depth: Annotated[int, Field(ge=0, le=DEPTH_MAX)] | None = None
    """How many levels below `under`: 0 are the files in it; by default all."""
    where: Where = Field(default=[])
    any: Annotated[list[Where], Field(max_length=ALTERNATIVES_MAX)] = Field(default=[])

    @model_validator(mode="after")
    def _is_small(self) -> Self:
        every = [condition for each in (self.where, *self.any) for condition in each]
        values = sum(len(condition.values or ()) for condition in every)
        for number, most, what in ((len(every), CONDITIONS_MAX, "conditions"), (values, VALUES_MAX, "values")):
            if number > most:
                raise PydanticCustomError(
                    "too_long", "{number} {what}: one query takes at most {most}",
                    {"number": number, "what": what, "most": most},
                )  # fmt: skip
        if self.depth is not None and self.under is None:
            raise PydanticCustomError("depth", "`depth` counts from `under`: give both", {})
        return self


Parameters = Annotated[list[Name], Field(max_length=COLUMNS_MAX)]


class FileSearch(FileQuery):
    """A search: which files, what of them, and in which order."""

    parameters: Parameters = Field(default=[])
    """By default FileID, LFN and Size."""
    sort: Annotated[list[SortSpec], Field(max_length=1)] = Field(default=[])
    """By `LFN` or `FileID`; by default as it is quickest, the same for all pages that a cursor leads to."""


class FileSummary(FileQuery):
    """What to count: files that are alike in at most three parameters."""

    grouping: Annotated[list[Annotated[str, StringConstraints(max_length=255)]], Field(max_length=GROUPING_MAX)] = (
        Field(default=[])
    )
