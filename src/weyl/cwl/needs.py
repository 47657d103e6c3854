"""What each job of a submission needs: requirements that depend on inputs, rounded so that few of them differ."""

import json
import math
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol

from weyl.cwl.compilation import Compilation
from weyl.cwl.inputs import REQUIREMENTS
from weyl.cwl.job_document import Frame, Requirements
from weyl.cwl.judgement import Judged
from weyl.cwl.objects import Objects
from weyl.cwl.problems import PROBLEMS_MAX, Problem, nearest, problem
from weyl.cwl.requirements import ENGINE_RAM_MB, Derived, NoRequirement, Site, Tool, derived
from weyl.cwl.types import shown
from weyl.task_queues.requirements import RAM_STEP_MB, SCRATCH_STEP_MB, quantised_wall_time
from weyl_engine.grouped import grouped, together

_WORDS = {
    "ResourceRequirement": "resources",
    "ToolTimeLimit": "time_limit",
    "NetworkAccess": "network",
}
_FIELDS = {"time_limit": "timelimit", "network": "networkAccess"}
_RESOURCES = tuple(f"{name}{end}" for name in ("cores", "ram", "tmpdir", "outdir") for end in ("Min", "Max"))
_LEFT_TO_THE_ENGINE = frozenset(
    {"EnvVarRequirement", "InlineJavascriptRequirement", "WorkReuse", "LoadListingRequirement"}
)


def _rounded_ram(value: float) -> int:
    """Round up such that RAM and what the engine needs come to a step of classes."""
    return -(-(math.ceil(value) + ENGINE_RAM_MB) // RAM_STEP_MB) * RAM_STEP_MB - ENGINE_RAM_MB


# What a value of a requirement may be rounded to before anything is made of it: the result is the same.
_ROUNDING: Mapping[str, Callable[[float], int]] = {
    "coresMin": math.ceil,
    "coresMax": math.ceil,
    "ramMin": _rounded_ram,
    "ramMax": _rounded_ram,
}
_NUMBERS = (int, float)
_ONE_INPUT = re.compile(r"\$\(inputs\.([A-Za-z_]\w*)\)", re.ASCII)


@dataclass(frozen=True)
class Form:
    """Requirements that many jobs may have, and from what they come."""

    requirements: Requirements
    made: Derived


@dataclass(frozen=True)
class Needs:
    """The distinct requirements of a submission's jobs, and which each job has."""

    forms: Sequence[Form]
    which: "array[int] | None"
    """By job; None where all have the first."""
    problems: Sequence[Problem] = ()

    def of(self, index: int) -> int:
        """Return the number of the form that a job has."""
        return 0 if self.which is None else self.which[index]


class Values(Protocol):
    """What expressions come to, by kind and expression; why one comes to nothing; and by job its kind."""

    @property
    def values(self) -> Sequence[Sequence[Any]]:
        """Of each kind the values of all expressions."""

    @property
    def errors(self) -> Sequence[tuple[int, int, str]]:
        """Kind, expression, and why it comes to nothing."""

    @property
    def which(self) -> Sequence[int]:
        """The kind of each job."""


@dataclass
class Counting:
    """Takes in what expressions and inputs say of jobs, in their order."""

    judged: Judged
    frame: Frame
    site: Site

    def __post_init__(self) -> None:
        self._keys: dict[tuple[str, str], int] = {}
        self._rounding = [_ROUNDING.get(str(each.get("what"))) for each in self.judged.compilation.expressions]
        self._forms: dict[str, int] = {}
        self.forms: list[Form] = []
        self.which = array("L")
        self.problems: list[Problem] = []

    def all_alike(self) -> Needs:
        """Return the needs of jobs that all have the same."""
        self._add(None, [], None)
        return Needs(self.forms, None, self.problems)

    def take(self, start: int, found: Values, own: Mapping[int, Any]) -> None:
        """Take in jobs from number `start` on: what expressions come to, and what `cwl:requirements` say, by job."""
        failed = {kind for kind, _, _ in found.errors}
        if failed:
            self.problems += islice(self._failures(start, found), PROBLEMS_MAX)
        known = dict.fromkeys(failed, 0)
        for index, kind in enumerate(found.which, start):
            its, number = own.get(index), known.get(kind)
            if number is None or (its is not None and kind not in failed):
                number = self._number(index, found.values[kind], its)
                if its is None:
                    known[kind] = number
            self.which.append(number)

    def _failures(self, start: int, found: Values) -> Iterator[Problem]:
        """Yield, job by job, why an expression comes to nothing."""
        expressions = self.judged.compilation.expressions
        told: dict[int, list[Problem]] = {}
        for kind, number, text in found.errors:
            one = expressions[number]
            told.setdefault(kind, []).append(problem("bad-expression", f"{one.get('what')}: {text}").at(one))
        for index, kind in enumerate(found.which, start):
            for each in told.get(kind, ()):
                yield replace(each, index=index)

    def _number(self, index: int, values: Sequence[Any], own: Any) -> int:
        """Return the number of the form that one job has."""
        near = tuple(
            value if rounding is None or type(value) not in _NUMBERS else rounding(value)
            for value, rounding in zip(values, self._rounding, strict=True)
        )
        # Texts, since to Python true is 1: as a number of cores it is a fault.
        key = repr(near), json.dumps(own, sort_keys=True)
        if key not in self._keys:
            self._keys[key] = self._add(index, near, own)
        return self._keys[key]

    def result(self) -> Needs:
        """Return what was taken in."""
        return Needs(self.forms, self.which, self.problems[:PROBLEMS_MAX])

    def _add(self, index: int | None, values: Sequence[Any], own: Any) -> int:
        """Add the form of a job that differs from all before; returns its number."""
        compilation = self.judged.compilation
        tools, faults = (compilation.tools, []) if own is None else overridden(compilation.tools, own)
        try:
            made = derived(tools, _picking(values), self.site, version=compilation.get("cwl_version"))
        except NoRequirement as error:
            self.problems += [replace(each, index=index) for each in [*faults, error.problem]]
            return 0
        if index is not None:
            made.requirements = rounded(made.requirements)
        requirements, contradictions = self.frame.requirements(made)
        self.problems += [replace(each, index=index) for each in [*faults, *contradictions]]
        text = json.dumps(requirements, sort_keys=True)
        number = self._forms.setdefault(text, len(self.forms))
        if number == len(self.forms):
            self.forms.append(Form(requirements, made))
        return number


class Direct(NamedTuple):
    """What expressions come to that need no interpreter."""

    values: Sequence[Sequence[Any]]
    which: Sequence[int]
    errors: Sequence[tuple[int, int, str]] = ()


def bound_inputs(compilation: Compilation, objects: Objects, part: range) -> dict[str, Sequence[Any]]:
    """Return the inputs that expressions read, for jobs of these numbers, with defaults below them.

    Each has one value for all jobs, or one a job.
    """
    found = objects.values_of(sorted(compilation.expression_inputs), part)
    for name, default in compilation.defaults.items():
        if name in found:
            found[name] = [default if value is None else value for value in found[name]]
    return found


def direct_values(compilation: Compilation, columns: Mapping[str, Sequence[Any]], count: int) -> Direct | None:
    """Return the values of expressions that all are nothing but one input; None if one of them is more."""
    takes: list[Sequence[Any]] = []
    for each in compilation.expressions:
        named = _ONE_INPUT.fullmatch(str(each["text"]))
        bound = (each.get("bind") or {}).get(named[1]) if named else None
        if bound is None:
            return None
        takes.append(columns[bound["input"]] if "input" in bound else [bound["value"]])
    rows = together([grouped(column, count) for column in takes], count)
    return Direct(rows.kinds, rows.which)


def _picking(values: Sequence[Any]) -> Any:
    def pick(value: Any) -> Any:
        return values[value["expression"]] if isinstance(value, Mapping) and "expression" in value else value

    return pick


def rounded(requirements: Mapping[str, Any]) -> dict[str, Any]:
    """Return requirements rounded up as their class will be: jobs that differ by a few megabytes ask for the same."""
    found = json.loads(json.dumps(requirements))
    for terms in (found.get("cpu") or {}).get("ram_mb", {}).values():
        terms["overhead"] = -(-terms["overhead"] // RAM_STEP_MB) * RAM_STEP_MB
    if "io" in found:
        found["io"]["scratch_mb"] = -(-found["io"]["scratch_mb"] // SCRATCH_STEP_MB) * SCRATCH_STEP_MB
    if "wall_time" in found:
        found["wall_time"] = quantised_wall_time(found["wall_time"])
    return dict(found)


def overridden(tools: Sequence[Tool], own: Any) -> tuple[list[Tool], list[Problem]]:
    """Return tools with what an input object requires in place of what they say, and what is wrong with that."""
    more: dict[str, Any] = {}
    problems: list[Problem] = []
    places: dict[str, Any] = {}
    for word, body, pointer in _requirements(own, problems):
        name = _WORDS.get(word)
        if word in ("DockerRequirement", "cwltool:MPIRequirement", "MPIRequirement"):
            problems.append(problem("unsupported-requirement", f"{word} cannot be required", pointer))
        elif name is None and word not in _LEFT_TO_THE_ENGINE:
            guess = nearest(word, [*_WORDS, *_LEFT_TO_THE_ENGINE])
            told = f"{word} cannot stand in {REQUIREMENTS}"
            problems.append(problem("unsupported-requirement", told, pointer, did_you_mean=guess))
        elif name is not None:
            said = {key: value for key, value in body.items() if key in _RESOURCES or key == _FIELDS.get(name)}
            faults = list(_dynamic(said, pointer))
            problems += faults
            said = {} if faults else said
            places |= {key: {"pointer": f"{pointer}/{key}"} for key in said}
            more[name] = said if name == "resources" else said.get(_FIELDS[name])
    return [{**tool, **more, "places": {**(tool.get("places") or {}), **places}} for tool in tools], problems


def _requirements(own: Any, problems: list[Problem]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield class, body and pointer of each requirement, from a list or a mapping."""
    entries: list[tuple[Any, Any, str]] = []
    if isinstance(own, Mapping):
        entries = [(name, body, f"/{REQUIREMENTS}/{name}") for name, body in own.items()]
    elif isinstance(own, list):
        entries = [
            (each.get("class") if isinstance(each, Mapping) else None, each, f"/{REQUIREMENTS}/{index}")
            for index, each in enumerate(own)
        ]
    else:
        problems.append(problem("wrong-type", f"must be a list of requirements, not {shown(own)}", f"/{REQUIREMENTS}"))
    for word, body, pointer in entries:
        if isinstance(word, str) and isinstance(body, Mapping):
            yield word, body, pointer
        else:
            problems.append(problem("wrong-type", "must be an object with a class", pointer))


def _dynamic(said: Mapping[str, Any], pointer: str) -> Iterator[Problem]:
    for name, value in said.items():
        if isinstance(value, str) and ("$(" in value or "${" in value):
            told = f"{name} must be a number here: what the document says may be an expression"
            yield problem("dynamic-requirement", told, f"{pointer}/{name}")
