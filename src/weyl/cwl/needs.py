"""What each job of a submission needs: requirements that depend on inputs, rounded so that few of them differ."""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weyl.cwl.inputs import REQUIREMENTS
from weyl.cwl.job_document import Frame, Requirements
from weyl.cwl.judgement import Judged
from weyl.cwl.problems import PROBLEMS_MAX, Problem, nearest, problem
from weyl.cwl.requirements import Derived, NotANumber, Site, Tool, derived
from weyl.cwl.types import shown
from weyl.task_queues.requirements import RAM_STEP_MB, SCRATCH_STEP_MB, quantised_wall_time

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


@dataclass
class Counting:
    """Takes in what expressions and inputs say of jobs, in their order."""

    judged: Judged
    frame: Frame
    site: Site

    def __post_init__(self) -> None:
        self._keys: dict[tuple[str, str], int] = {}
        self._forms: dict[str, int] = {}
        self.forms: list[Form] = []
        self.which = array("L")
        self.problems: list[Problem] = []

    def all_alike(self) -> Needs:
        """Return the needs of jobs that all have the same."""
        self._add(None, [], None)
        return Needs(self.forms, None, self.problems)

    def take(self, index: int, values: Sequence[Any], own: Any) -> None:
        """Take in one job: what expressions come to, and what its input object says in `cwl:requirements`."""
        key = json.dumps(values), json.dumps(own, sort_keys=True)
        number = self._keys.get(key)
        if number is None:
            number = self._keys[key] = self._add(index, values, own)
        self.which.append(number)

    def result(self) -> Needs:
        """Return what was taken in."""
        return Needs(self.forms, self.which, self.problems[:PROBLEMS_MAX])

    def _add(self, index: int | None, values: Sequence[Any], own: Any) -> int:
        """Add the form of a job that differs from all before; returns its number."""
        compilation = self.judged.compilation
        tools, faults = (compilation.tools, []) if own is None else overridden(compilation.tools, own)
        try:
            made = derived(tools, _picking(values), self.site, version=compilation.get("cwl_version"))
        except NotANumber as error:
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
