"""The body of a submission, read without making Python's objects of what may be a hundred thousand inputs."""

import difflib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from weyl.cwl.models.submission import CWLOrder, CWLSubmission
from weyl.cwl.objects import Base, items, members
from weyl.kit.json import loads, skip_space

# A text of the largest length, each character of it escaped.
_TEXT_LENGTH_MAX = 32 << 20
_LARGE = ("inputs", "base_inputs", "scatter")


@dataclass(frozen=True)
class SentBody:
    """A submission as it was sent; the values of inputs are places in its text."""

    order: CWLOrder
    text: str = ""
    inputs: "array[int] | None" = None
    base: Base = field(default_factory=Base)
    scatter: Mapping[str, "array[int]"] | None = None


def read_body(body: bytes) -> SentBody:
    """Read the body of a submission; raises `JSONDecodeError` or pydantic's `ValidationError`."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise JSONDecodeError("Not UTF-8", "", error.start) from None
    at = skip_space(text, 0)
    found = list(members(text, at, length_max=_TEXT_LENGTH_MAX))
    if skip_space(text, found.pop()[2]) != len(text):
        raise JSONDecodeError("Extra data", text, len(text))
    places = {name: (start, end) for name, start, end in found}
    _refuse_unknown(places)
    small = {name: _value(text, *place) for name, place in places.items() if name not in _LARGE}
    large = {name: place for name, place in places.items() if name in _LARGE and text[slice(*place)] != "null"}
    order = CWLOrder.model_validate(small)
    base, scatter = large.get("base_inputs"), large.get("scatter")
    sent = SentBody(
        order,
        text,
        items(text, _opening(text, large["inputs"], "[", "inputs")) if "inputs" in large else None,
        Base() if base is None else Base.read(text[_opening(text, base, "{", "base_inputs") : base[1]]),
        None if scatter is None else _scattered(text, _opening(text, scatter, "{", "scatter")),
    )
    _refuse_two_ways(sent)
    return sent


def _value(text: str, start: int, end: int) -> Any:
    try:
        return loads(text[start:end])
    except ValueError as error:
        raise JSONDecodeError(str(error).partition(":")[0], text, start) from None


def _scattered(text: str, at: int) -> dict[str, "array[int]"]:
    found: dict[str, array[int]] = {}
    for name, start, end in list(members(text, at))[:-1]:
        found[name] = items(text, _opening(text, (start, end), "[", f"scatter.{name}"))
    return found


def _opening(text: str, place: tuple[int, int], sign: str, name: str) -> int:
    if text[place[0]] != sign:
        what = "a list" if sign == "[" else "an object"
        raise _invalid(tuple(name.split(".")), "type", f"must be {what}", text[place[0] : place[1]][:60])
    return place[0]


def _refuse_unknown(places: Mapping[str, object]) -> None:
    known = CWLSubmission.model_fields
    for name in places:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise _invalid((name,), "extra_forbidden", f"is not a field of a submission{hint}", name)


def _refuse_two_ways(sent: SentBody) -> None:
    ways = {
        "inputs": bool(sent.inputs),
        "range_param": sent.order.range_param is not None,
        "scatter": sent.scatter is not None,
    }
    given = [name for name, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise _invalid((given[1],), "two_ways", f"cannot be given together with {given[0]}", None)


def _invalid(where: tuple[str, ...], kind: str, told: str, given: object) -> ValidationError:
    fault = InitErrorDetails(type=PydanticCustomError(kind, "{told}", {"told": told}), loc=where, input=given)
    return ValidationError.from_exception_data("CWLSubmission", [fault])
