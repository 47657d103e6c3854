"""Every code of a problem with a CWL document or its inputs: how severe it is, and when it is told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from weyl.kit.likeness import most_like

Severity = Literal["error", "warning"]

PROBLEMS_MAX = 100
"""An answer names so many, the first ones."""
_LIKE_MAX = 1_000
"""Further names are not compared."""


class Code(NamedTuple):
    """A kind of problem."""

    severity: Severity
    meaning: str


_ERRORS = {
    "not-yaml": "The text is not YAML, or not JSON.",
    "not-cwl": "The document has no `class`, or is not a process.",
    "cwl-version": "`cwlVersion` is missing, or is not v1.0, v1.1 or v1.2.",
    "too-large": "A file, a text, what its aliases come to, or the type of an input (64 alternatives) is too large.",
    "compiler-limit": "Reading the document takes more CPU time, memory or time than allowed.",
    "bad-bundle": "The hash, the size or the path of a member is wrong.",
    "unresolved-run": "The document refers to a file that is not in its bundle.",
    "escapes-bundle": "The document refers to a path or a URL outside its bundle.",
    "no-entry": "A `$graph` has no `#main`, and no fragment names an entry.",
    "invalid": "What cwl-utils or cwltool find wrong.",
    "schema": "A hint has a field that is unknown, or a value that is not allowed there.",
    "old-hint": "A field of a prototype is used that has another name now.",
    "unknown-job-type": "The VO does not allow this type of jobs.",
    "contradiction": "Two places say what cannot both hold, such as a template below `coresMin` or `ramMin`.",
    "requirements": "What the job needs breaks a rule of requirements documents.",
    "unsupported-requirement": "A class in `requirements` that is unknown, or that no job can have.",
    "unknown-package": "The VO does not say where a package of SoftwareRequirement is.",
    "dynamic-requirement": "A requirement depends on what only the node knows, and has no fixed bound.",
    "bad-expression": "An expression failed, gave something else than a number, or took too long.",
    "empty-expansion": "The submission makes no job.",
    "too-many-jobs": "The submission makes more jobs than one may.",
    "bad-range": "A range has step 0, an input that takes no int, or lists of unequal length.",
    "missing-input": "An input object lacks an input that has no default.",
    "unknown-input": "An input object has an input that the document does not declare.",
    "wrong-type": "The value of an input is not of its type.",
    "unknown-sandbox": "A sandbox does not exist, or is not yours.",
    "not-available": "The document or the request asks for what this release does not have.",
    "wrong-route": "A production or a transformation was sent to the route of jobs.",
}
_WARNINGS = {
    "no-site": "Nothing that was seen lately could run the job.",
    "yaml11": "A value that YAML 1.1 and YAML 1.2 read differently.",
    "lossy-number": "A number that loses digits when it is read.",
    "secret-like": "A value that looks like a credential; all who may read the job read its inputs.",
    "unused-input": "Nothing reads this input.",
    "not-stock-runnable": "A stock CWL runner could not run the document as it is.",
}

CODES: Mapping[str, Code] = {
    **{code: Code("error", meaning) for code, meaning in _ERRORS.items()},
    **{code: Code("warning", meaning) for code, meaning in _WARNINGS.items()},
}
"""Every code. `unknown-package` is a warning where the package stands in a hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a document or its inputs: where, and what was probably meant."""

    code: str
    detail: str
    pointer: str = ""
    """JSON pointer into the file; into the input object where `index` is given."""
    severity: Severity = "error"
    file: str | None = None
    line: int | None = None
    """From 1, as `column`."""
    column: int | None = None
    index: int | None = None
    """Which input object, from 0."""
    did_you_mean: str | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Problem":
        """Return a problem that the compiler has told."""
        return cls(**{name: document[name] for name in cls.__slots__ if document.get(name) is not None})

    def wire(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is left out."""
        told: dict[str, Any] = {"code": self.code, "severity": self.severity, "detail": self.detail}
        told["pointer"] = self.pointer
        for name in ("file", "line", "column", "index", "did_you_mean"):
            if (value := getattr(self, name)) is not None:
                told[name] = value
        return told

    def at(self, place: Mapping[str, Any]) -> "Problem":
        """Return the problem with the file, pointer, line and column of a place in the document, as far as known."""
        known = {name: place[name] for name in ("file", "pointer", "line", "column") if place.get(name) is not None}
        return replace(self, **known)


def problem(code: str, detail: str, pointer: str = "", **more: Any) -> Problem:
    """Return a problem of a code, as severe as the code is."""
    return Problem(code=code, detail=detail, pointer=pointer, severity=CODES[code].severity, **more)


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that refuse a submission."""
    return [each for each in problems if each.severity == "error"]


def warnings_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return those that only tell something."""
    return [each for each in problems if each.severity == "warning"]


def shown(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Return the JSON form of the first problems, the errors before the warnings."""
    ordered = [*errors_of(problems), *warnings_of(problems)]
    return [each.wire() for each in ordered[:PROBLEMS_MAX]]


def sentences(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield each problem in words, with its place before it."""
    for each in problems:
        place = each.file or ""
        if each.line is not None:
            place += f":{each.line}"
        if each.index is not None:
            place = f"input object {each.index}"
        hint = f" (did you mean {each.did_you_mean}?)" if each.did_you_mean else ""
        where = f"{place}: " if place else ""
        yield f"{where}{each.detail}{hint}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one, if any is; of very many the first are compared."""
    return next(iter(most_like(name, sorted(known)[:_LIKE_MAX], cutoff=0.5)), None)
