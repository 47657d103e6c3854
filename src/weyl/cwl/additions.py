"""What extensions add to CWL: hints of their own, by full IRI."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from weyl.cwl.models.hints import NAMESPACE
from weyl.kit.services import Key

PLACES = ("process", "step", "input", "output")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")


def no_attributes(_: Any) -> Mapping[str, Any]:
    """Return nothing: a hint that only says something."""
    return {}


@dataclass(frozen=True, slots=True)
class HintKind:
    """A hint of a community."""

    model: type[BaseModel]
    """What its value must be, with `extra="forbid"`; its JSON Schema is served with those of weyl's own hints."""
    meaning: str
    """One sentence for users."""
    places: Collection[str] = ("process",)
    """Where it may stand: `process`, `step`, `input`, `output`."""
    attributes: Callable[[Any], Mapping[str, Any]] = no_attributes
    """Returns what a value of the model adds to the description of a job: attributes of the extension, as in
    `job_attributes`, and `Requirements`, a requirements document that lies below the template. It must be pure."""


HINTS: Key[Mapping[str, HintKind]] = Key("the hints of extensions")


def hint_problems(hints: Mapping[str, HintKind]) -> Iterator[str]:
    """Yield what is wrong with the hints that an extension adds."""
    for iri, kind in hints.items():
        if iri.startswith(NAMESPACE):
            yield f"{iri} is in weyl's own namespace; choose one of yours"
        elif not _IRI.fullmatch(iri):
            yield f"{iri!r} is not the full IRI of a hint"
        if kind.model.model_config.get("extra") != "forbid":
            yield f'the model of hint {iri} must refuse unknown fields: model_config = ConfigDict(extra="forbid")'
        for place in sorted(set(kind.places) - set(PLACES)):
            yield f"hint {iri}: {place!r} is not a place; use {', '.join(PLACES)}"
