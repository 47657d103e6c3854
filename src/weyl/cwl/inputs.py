"""What is wrong with the input objects of a submission, the sandboxes that they name, and the texts that are stored."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator

from weyl.cwl.files import Collected
from weyl.cwl.objects import Base, Objects, spelled, written
from weyl.cwl.problems import PROBLEMS_MAX, Problem, problem
from weyl.cwl.secrets import looks_secret
from weyl.cwl.types import (
    Fault,
    Type,
    escaped,
    faults_of_members,
    holds_files,
    is_optional,
    is_whole,
    takes_whole_only,
)
from weyl.kit.bounds import ATTRIBUTES_MAX

REQUIREMENTS = "cwl:requirements"
"""A key of an input object that is no input: requirements of that one job."""
_TOOL = "cwl:tool"
# Texts may name files of the grid, and say what cannot be stored.
_TO_LOOK_AT = re.compile(r'lfn:|"cwl:|\\u', re.IGNORECASE)
# A number with a fraction or an exponent may stand where an int should: JSON Schema takes 1.0 for one.
_FRACTION = re.compile(r"\d[.eE]")


@dataclass(frozen=True)
class Checked:
    """What a look at all input objects has found."""

    problems: Sequence[Problem] = ()
    sandboxes: Sequence[tuple[str, ...]] = ((),)
    """Names without prefix: one entry a job, or one for all."""
    lfns: Sequence[tuple[str, ...]] = ((),)
    """Files of the grid, as above."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """The JSON texts of those that are stored otherwise than they were sent."""
    requirements: Mapping[int, Any] = field(default_factory=dict)
    """What `cwl:requirements` says, by job."""


@dataclass(frozen=True)
class InputRules:
    """What the input objects of one workflow must be."""

    schema: Mapping[str, Any]
    types: Mapping[str, Type]
    with_default: frozenset[str]
    with_siblings: frozenset[str] = frozenset()
    """Inputs whose files must have others beside them, which nobody looks for on the grid."""

    @classmethod
    def of(cls, schema: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> "InputRules":
        """Take them from the schema and the inputs of a compilation."""
        with_default = frozenset(each["name"] for each in inputs if each.get("has_default"))
        with_siblings = frozenset(each["name"] for each in inputs if _needs_siblings(each))
        return cls(schema, {each["name"]: each["type"] for each in inputs}, with_default, with_siblings)

    @cached_property
    def holds_files(self) -> bool:
        """Whether an input may be a File or a Directory, or have one in it."""
        return any(map(holds_files, self.types.values()))

    @cached_property
    def _closed(self) -> Draft202012Validator:
        return Draft202012Validator(dict(self.schema))

    @cached_property
    def _open(self) -> Draft202012Validator:
        return Draft202012Validator({name: value for name, value in self.schema.items() if name != _UNKNOWN})

    @cached_property
    def _whole(self) -> tuple[str, ...]:
        """The inputs that must be whole numbers."""
        return tuple(name for name, kind in self.types.items() if is_whole(kind))

    @cached_property
    def _hides_whole(self) -> bool:
        """Whether whole numbers must stand at other places, too, inside of inputs or beside other types."""
        return any(takes_whole_only(kind) and not is_whole(kind) for kind in self.types.values())

    def check(self, objects: Objects, *, allow_unknown: bool = False, roots: Sequence[str] | None = None) -> Checked:
        """Look at all input objects; the first hundred problems end it. Raises `ValueError` for what is no JSON.

        Files of the grid must lie below one of the `roots`.
        """
        validator = self._open if allow_unknown else self._closed
        look = _Look(self, allow_unknown, roots)
        everything = objects.everything()
        is_suspicious = any(map(looks_secret, everything))
        to_look_at = any(_TO_LOOK_AT.search(text) is not None for text in everything)
        for index in objects.distinct():
            if len(look.problems) >= PROBLEMS_MAX:
                break
            value = _read(objects, index)
            if len(value) > ATTRIBUTES_MAX:
                told = f"{len(value)} inputs: a job may have {ATTRIBUTES_MAX}"
                look.problems.append(problem("too-large", told, index=index))
                continue
            needs_look = self.holds_files or not validator.is_valid(value) or self._has_fraction(objects, index, value)
            if needs_look or (to_look_at and _TO_LOOK_AT.search(objects.text(index) or "")):
                look.at(index, objects.text(index) or "{}")
            else:
                look.sandboxes.append(())
                look.lfns.append(())
            if is_suspicious and looks_secret(objects.text(index) or ""):
                look.problems.append(_secret(index, value))
        return look.result(objects.count)

    def _has_fraction(self, objects: Objects, index: int, value: Mapping[str, Any]) -> bool:
        """Tell whether a number with a fraction may stand where a whole one should."""
        if any(type(value.get(name)) is float for name in self._whole):
            return True
        return self._hides_whole and _FRACTION.search(objects.text(index) or "") is not None


def _read(objects: Objects, index: int) -> dict[str, Any]:
    try:
        return objects.value(index)
    except ValueError as error:
        raise NotJSON(f"input object {index}: {error}") from None


class NotJSON(ValueError):
    """An input object cannot be read; the text says which and why."""


_UNKNOWN = "additionalProperties"


@dataclass
class _Look:
    rules: InputRules
    allow_unknown: bool
    roots: Sequence[str] | None = None
    problems: list[Problem] = field(default_factory=list)
    sandboxes: list[tuple[str, ...]] = field(default_factory=list)
    lfns: list[tuple[str, ...]] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    requirements: dict[int, Any] = field(default_factory=dict)
    _met: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def at(self, index: int, text: str) -> None:
        """Look at one object closely."""
        value = spelled(text)
        inputs = {name: each for name, each in value.items() if name not in (REQUIREMENTS, _TOOL)}
        found = list(islice(self._faults(inputs), PROBLEMS_MAX))
        collected = Collected(self.roots, found)
        kept = collected.read(inputs, "")
        if collected.lfns:
            found += self._without_siblings(inputs)
        if _TOOL in value:
            found.append(Fault("not-available", "cwl:tool cannot be used: submit the document itself", f"/{_TOOL}"))
        if REQUIREMENTS in value:
            self.requirements[index] = value[REQUIREMENTS]
        if "\\u0000" in text and "\x00" in "".join(_texts(value)):
            found.append(Fault("wrong-type", "has the character NUL in it", ""))
        self.problems += [
            problem(each.code, each.detail, each.pointer, index=index, did_you_mean=each.did_you_mean) for each in found
        ]
        if collected.is_changed:
            self.texts[index] = written({**value, **kept})
        # One object for all that have the same: jobs by the thousand share theirs.
        for kept_names, met in ((self.sandboxes, collected.sandboxes), (self.lfns, collected.lfns)):
            names = tuple(met)
            kept_names.append(self._met.setdefault(names, names))

    def _without_siblings(self, inputs: Mapping[str, Any]) -> Iterator[Fault]:
        for name in self.rules.with_siblings & inputs.keys():
            of_one = Collected(None)
            of_one.read(inputs[name], "")
            if of_one.lfns:
                told = f"{name} needs secondary files, which are not looked for on the grid yet"
                yield Fault("not-available", told, f"/{escaped(name)}")

    def _faults(self, inputs: Mapping[str, Any]) -> Iterator[Fault]:
        types = self.rules.types
        for fault in faults_of_members(inputs, types, "", optional=self.rules.with_default):
            is_unknown = fault.code == "unknown-input" and fault.pointer.count("/") == 1
            if not (is_unknown and self.allow_unknown):
                yield fault

    def result(self, count: int) -> Checked:
        """Return what was found, of `count` jobs."""
        return Checked(
            self.problems[:PROBLEMS_MAX],
            _once(self.sandboxes, count),
            _once(self.lfns, count),
            self.texts,
            self.requirements,
        )


def _once(names: Sequence[tuple[str, ...]], count: int) -> Sequence[tuple[str, ...]]:
    """Return what each job has, or one entry where all have the same."""
    is_same = len(names) != count or all(each is names[0] or each == names[0] for each in names)
    return (names[:1] if is_same else names) or ((),)


def _needs_siblings(declared: Mapping[str, Any]) -> bool:
    return any(each.get("required") is not False for each in declared.get("secondary_files") or ())


def normal_base(base: Base) -> Base:
    """Return what lies below all input objects with the places of its files in the form that is stored."""
    texts = dict(base.texts)
    for name, text in base.texts.items():
        collected = Collected()
        value = collected.read(spelled(text), "")
        if collected.is_changed:
            texts[name] = written(value)
    return replace(base, texts=texts)


def _secret(index: int, value: Mapping[str, Any]) -> Problem:
    names = [name for name, each in value.items() if looks_secret(written(each))]
    told = "looks like a credential: everybody who may read the job can read its inputs"
    pointer = f"/{escaped(names[0])}" if names else ""
    return problem("secret-like", f"{names[0] if names else 'a value'} {told}", pointer, index=index)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


def faults_of_default(name: str, value: Any, kind: Type) -> list[Fault]:
    """Return what keeps the default of an input from being used: files that are not there yet."""
    if not holds_files(kind) and not isinstance(value, str | list | dict):
        return []
    collected, pointer = Collected(is_default=True), f"/inputs/{escaped(name)}/default"
    collected.read(value, pointer)
    found = [each for each in collected.faults if each.code == "not-available"]
    if collected.lfns and not found:
        told = "a default cannot be a file of the grid yet: give it with the inputs of each job"
        found.append(Fault("not-available", told, pointer))
    return found


def takes_null(kind: Type) -> bool:
    """Tell whether an input may be left out because null is of its type."""
    return is_optional(kind)
