"""What the compiler knows of a document, in a form that a submission can ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from weyl.cwl.hints import Written
from weyl.cwl.inputs import InputRules, faults_of_default
from weyl.cwl.problems import Problem, errors_of, problem
from weyl.cwl.types import Type, escaped


@dataclass(frozen=True)
class Compilation:
    """What the compiler has said of a bundle, read once for all who submit it."""

    document: Mapping[str, Any]

    @cached_property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the document itself, and what in it no job of this release can have."""
        found = [Problem.read(each) for each in self.document["problems"]]
        for each in self.inputs:
            if each.get("has_default"):
                faults = faults_of_default(each["name"], each.get("default"), each["type"])
                found += [problem(fault.code, fault.detail, fault.pointer) for fault in faults]
        return found

    @property
    def is_sound(self) -> bool:
        """Whether the compiler came to its end: all else that is said here may be asked for."""
        return not errors_of(map(Problem.read, self.document["problems"]))

    @cached_property
    def hints(self) -> Sequence[Written]:
        """The hints of the process, and what of other namespaces stands on its inputs and outputs."""
        return [Written.read(each) for each in self.document.get("hints") or ()]

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """The inputs that are declared."""
        return self.document.get("inputs") or ()

    @property
    def outputs(self) -> Sequence[Mapping[str, Any]]:
        """The outputs that are declared."""
        return self.document.get("outputs") or ()

    @cached_property
    def types(self) -> Mapping[str, Type]:
        """The types of inputs, by name."""
        return {each["name"]: each["type"] for each in self.inputs}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The defaults of inputs that have one, by name."""
        return {each["name"]: each.get("default") for each in self.inputs if each.get("has_default")}

    @cached_property
    def rules(self) -> InputRules:
        """What input objects must be."""
        return InputRules.of(self.document.get("schema") or {}, self.inputs)

    @property
    def tools(self) -> Sequence[Mapping[str, Any]]:
        """The tools that run, each with what it requires."""
        return self.document.get("tools") or ()

    @property
    def expressions(self) -> Sequence[Mapping[str, Any]]:
        """The expressions in what tools require."""
        return self.document.get("expressions") or ()

    @cached_property
    def expression_inputs(self) -> frozenset[str]:
        """The inputs that these expressions read."""
        bound = [value for each in self.expressions for value in (each.get("bind") or {}).values()]
        return frozenset(value["input"] for value in bound if isinstance(value, Mapping) and "input" in value)

    def get(self, name: str) -> Any:
        """Return what else the compiler has said, such as `label`."""
        return self.document.get(name)

    def pointer_to_input(self, name: str) -> str:
        """Return where an input is declared."""
        return f"/inputs/{escaped(name)}"
