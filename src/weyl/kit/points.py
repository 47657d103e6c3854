"""Extension points as fields of a dataclass: each says how values of several extensions merge, and what is wrong."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from weyl.kit.services import Key, Services

E = TypeVar("E")

_POINT = "weyl"

Claims = Mapping[str, Callable[[Any], Iterable[str]]]
"""By message template, such as `The driver {}`: the names that a value claims; each belongs to one extension."""
Check = Callable[[Any, Any], Iterable[str]]
"""Yields what is wrong with one extension, given all of them merged."""


@dataclass(frozen=True, slots=True)
class Point:
    """How the values of one field become one value."""

    shape: type
    merge: Callable[[Iterable[Any]], Any]
    claims: Claims
    check: Check | None
    key: Key[Any] | None
    """Under which key a process holds the merged value, for rooms that cannot see the dataclass."""


def sequence(
    *,
    merge: Callable[[Iterable[Any]], Any] = tuple,
    claims: Claims | None = None,
    check: Check | None = None,
    key: Key[Any] | None = None,
) -> Any:
    """Declare a field whose sequences are joined; `merge` gets all their entries."""

    def joined(values: Iterable[Any]) -> Any:
        return merge(chain.from_iterable(values))

    return dataclasses.field(default=(), metadata={_POINT: Point(Collection, joined, claims or {}, check, key)})


def mapping(
    claim: str | None,
    *,
    merge: Callable[[Iterable[Any]], Any] | None = None,
    check: Check | None = None,
    key: Key[Any] | None = None,
) -> Any:
    """Declare a field whose mappings are joined; `claim` is the message for a name that two extensions use."""
    claims: Claims = {} if claim is None else {claim: list}
    return dataclasses.field(
        default_factory=dict, metadata={_POINT: Point(Mapping, merge or _joined, claims, check, key)}
    )


def _joined(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for each in values for name, value in each.items()}


def points(kind: type[Any]) -> dict[str, Point]:
    """Return the points of a dataclass by the names of their fields."""
    return {field.name: field.metadata[_POINT] for field in dataclasses.fields(kind) if _POINT in field.metadata}


def misshapen(part: Any) -> Iterator[str]:
    """Yield a sentence for each field of a named part that cannot be merged, since it holds one thing, not several."""
    for name, point in points(type(part)).items():
        value = getattr(part, name)
        if isinstance(value, str) or not isinstance(value, point.shape):
            yield f"{part.name}: {name} must be a {'mapping' if point.shape is Mapping else 'list'}, not {value!r}"


def merged(kind: type[Any], parts: Sequence[Any]) -> dict[str, Any]:
    """Return the merged value of each point of `kind`, by field; `problems` reports names that several claim."""
    return {name: point.merge([getattr(part, name) for part in parts]) for name, point in points(kind).items()}


def problems(parts: Sequence[Any], whole: Any) -> Iterator[str]:
    """Yield a sentence for each thing that keeps named parts from working together; `whole` is all of them merged."""
    for name, point in points(type(whole)).items():
        for what, names_of in point.claims.items():
            owners: dict[str, str] = {}
            for part in parts:
                for each in names_of(getattr(part, name)):
                    # Two names that differ by case alone are one to people, and one in job descriptions.
                    yield from claim(owners, each.lower(), part.name, what.format(each))
        for part in parts:
            yield from point.check(part, whole) if point.check is not None else ()


def claim(owners: dict[str, str], name: str, owner: str, what: str) -> Iterator[str]:
    """Note that an extension claims a name; yields the sentence that names both if another one has it."""
    first = owners.setdefault(name, owner)
    if first != owner:
        yield f"{what} is claimed by {first} and by {owner}; only one of them can be active"


def hold(services: Services, whole: Any) -> None:
    """Put the value of each point that has a key under it."""
    for name, point in points(type(whole)).items():
        if point.key is not None:
            services.hold(point.key, getattr(whole, name))
