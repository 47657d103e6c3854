"""A document as jobs of one VO would run it: what its hints of all layers come to, and all that is wrong with that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from weyl.config.operations import Operations
from weyl.cwl.additions import HintKind
from weyl.cwl.compilation import Compilation
from weyl.cwl.hints import Hints, Value, effective, overriding, read_hints
from weyl.cwl.job_document import Frame, Said, attributes, bad_attribute
from weyl.cwl.problems import Problem, errors_of
from weyl.cwl.requirements import Site, refusals
from weyl.cwl.secrets import secrets_in
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.requirements import Limits


@dataclass(frozen=True)
class Judge:
    """What a VO and its extensions say of documents in CWL."""

    vo: str
    operations: Operations
    kinds: Mapping[str, HintKind] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What the VO's jobs may ask for."""
        return replace(Limits.of(self.operations), is_strict=True)

    @property
    def site(self) -> Site:
        """What the VO says of software and of time."""
        return Site(self.operations.cwl.software, self.operations.matching.wrapper_margin)

    def judge(
        self, compilation: Compilation, hints: Mapping[str, Any] | None = None, files: Mapping[str, bytes] | None = None
    ) -> "Judged":
        """Return what a document comes to, with hints that are laid over its own; `files` are looked at for secrets."""
        own, over = read_hints(compilation.hints, self.kinds), overriding(hints or {}, self.kinds)
        values = effective(own, over, self.operations.cwl, vo=self.vo)
        problems = [*compilation.problems, *own.problems, *over.problems, *secrets_in(files or {})]
        said = self._said(compilation, own, over, values)
        if not compilation.is_sound:
            return Judged(compilation, said, {}, None, problems)
        problems += refusals(compilation.tools, self.site)
        document, faults = attributes(said, self.limits)
        problems += faults
        frame = None
        try:
            frame = Frame.of(said, self.limits)
        except BadAttribute as error:
            problems.append(bad_attribute(error, said))
        return Judged(compilation, said, document, frame, problems)

    def _said(self, compilation: Compilation, own: Hints, over: Hints, values: Mapping[str, Value]) -> Said:
        names: list[Sequence[str]] = [
            [str(each["name"]) for each in declared] for declared in (compilation.inputs, compilation.outputs)
        ]
        return Said(values, own, over, self.kinds, *names)


@dataclass(frozen=True)
class Judged:
    """What a document comes to."""

    compilation: Compilation
    said: Said
    attributes: Mapping[str, Any]
    """Of the jobs' description, all but `Requirements`."""
    frame: Frame | None
    """None where no requirements can be made."""
    problems: Sequence[Problem]

    @property
    def is_usable(self) -> bool:
        """Whether jobs could be made of it, as far as the document goes."""
        return self.frame is not None and not errors_of(self.problems)

    def values(self) -> list[dict[str, Any]]:
        """Return the values of hints with the layers that say them, for people."""
        return [{"name": name, "value": value.value, "layer": value.layer} for name, value in self.said.values.items()]
