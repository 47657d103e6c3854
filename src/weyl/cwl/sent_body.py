"""The body of a submission, read without making Python's objects of what may be a hundred thousand inputs."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from weyl.cwl.models.submission import CWLOrder, CWLSubmission
from weyl.cwl.objects import Base, Member, members
from weyl.kit.bounds import ATTRIBUTES_MAX
from weyl.kit.json import loads, skip_space
from weyl.kit.likeness import most_like

# A text of the largest length, each character of it escaped.
_TEXT_LENGTH_MAX = 32 << 20
LATER = "workflow_ref"
_LARGE = ("inputs", "base_inputs", "scatter")


class NotAvailable(Exception):
    """A submission asks for what a later release has."""


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
    if skip_space(text, found.pop().end) != len(text):
        raise JSONDecodeError("Extra data", text, len(text))
    places = {each.name: each for each in found}
    _refuse_unknown(places)
    small = {name: _value(text, each) for name, each in places.items() if name not in _LARGE}
    large = {name: each for name, each in places.items() if name in _LARGE and text[each.start : each.end] != "null"}
    order = CWLOrder.model_validate(small)
    inputs, base, scatter = (large.get(name) for name in _LARGE)
    sent = SentBody(
        order,
        text,
        None if inputs is None else _list(text, inputs, "inputs"),
        Base() if base is None else Base.read(_object(text, base, "base_inputs")),
        None if scatter is None else _scattered(text, scatter),
    )
    _refuse_two_ways(sent)
    return sent


def _value(text: str, member: Member) -> Any:
    try:
        return loads(text[member.start : member.end])
    except ValueError as error:
        raise JSONDecodeError(str(error).partition(":")[0], text, member.start) from None


def _scattered(text: str, scatter: Member) -> dict[str, "array[int]"]:
    _object(text, scatter, "scatter")
    found = list(members(text, scatter.start))[:-1]
    if len(found) > ATTRIBUTES_MAX:
        raise _invalid(("scatter",), "too_long", f"{len(found)} inputs: at most {ATTRIBUTES_MAX}", None)
    return {each.name: _list(text, each, "scatter", each.name) for each in found}


def _list(text: str, member: Member, *where: str) -> "array[int]":
    if member.items is None:
        raise _invalid(where, "type", "must be a list", text[member.start : member.end][:60])
    return member.items


def _object(text: str, member: Member, *where: str) -> str:
    said = text[member.start : member.end]
    if not said.startswith("{"):
        raise _invalid(where, "type", "must be an object", said[:60])
    return said


def _refuse_unknown(places: Mapping[str, object]) -> None:
    known = CWLSubmission.model_fields
    if LATER in places:
        told = f"{LATER} comes with names of workflows, which this release does not have: use workflow_id"
        raise NotAvailable(told)
    for name in places:
        if name not in known:
            near = most_like(name, known)
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
