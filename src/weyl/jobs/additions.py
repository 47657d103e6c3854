"""What extensions add to jobs: attributes of their descriptions, checks that may refuse them, what still needs them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.descriptions.attributes import JobAttribute, added_value
from weyl.descriptions.described import Described, Prepared
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document
from weyl.descriptions.variants import variants
from weyl.kit.db import Tx
from weyl.kit.services import Key


@dataclass(frozen=True)
class Candidate:
    """One distinct description of a submission, before anything of it is stored."""

    index: int
    """Which job of the request it is, counted from 0; the first, if several are alike."""
    description: Described

    @property
    def document(self) -> Document:
        """The attributes; those of a parametric job still hold their placeholders."""
        return self.description.document

    @property
    def count(self) -> int:
        """How many jobs it makes."""
        return self.description.count

    def forms(self, *names: str) -> list[Document]:
        """Return the attributes once for each different filling that `names` get among the jobs of this description."""
        if self.description.expansion is None:
            return [self.document]
        found, _ = variants(self.description.expansion, self.document, names)
        return [self.document | form for form in found]


@dataclass(frozen=True)
class Submitting:
    """Who submits, by which configuration, and the transaction in which it happens (for reads; no network)."""

    vo: str
    group: str
    owner: str
    config: Config
    now: datetime
    tx: Tx


Refusals = Mapping[int, str]
"""Reasons by the index of the candidate; a refused candidate refuses the whole submission."""

SubmissionCheck = Callable[[Sequence[Candidate], Submitting], Refusals | Awaitable[Refusals]]
"""Looks at all candidates of a submission at once, as a plain function or an async one."""


Outlook = Callable[[Tx, Sequence[Sequence[Mapping[str, Any]]], str, datetime], Awaitable[list[str | None]]]
"""Says, for jobs that would wait in these classes (several: alternatives) of a VO, why nothing seen lately could run
them; None where something could."""


@dataclass(frozen=True)
class JobReferences:
    """Something that refers to jobs: as long as it does, they are neither cleaned nor removed."""

    what: str
    """What it is called, for the one who wonders why a job stays, such as `a transformation`."""
    select: Callable[[Tx, str, Sequence[int]], Awaitable[Collection[int]]]
    """Returns those of these jobs of a VO that it still refers to; up to a thousand are asked about at once."""


@dataclass(frozen=True)
class SubmissionRules:
    """What an installation demands of submissions, its extensions included."""

    jobs_max: int
    attributes: Mapping[str, JobAttribute] = field(default_factory=dict)
    checks: Mapping[str, SubmissionCheck] = field(default_factory=dict)
    """By the name of the extension."""
    outlook: Outlook | None = None

    def shown(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes of extensions that a job has, as they are shown among its parameters."""
        shown = {name: _shown(document, name, attribute) for name, attribute in self.attributes.items()}
        return {name: value for name, value in shown.items() if value is not None}


JOB_ATTRIBUTES: Key[Mapping[str, JobAttribute]] = Key("the attributes of jobs that extensions add")
SUBMISSION_CHECKS: Key[Mapping[str, SubmissionCheck]] = Key("the checks of submissions")
REFERENCES: Key[Sequence[JobReferences]] = Key("the references to jobs")
SUBMISSION_RULES: Key[SubmissionRules] = Key("the rules of submissions")
OUTLOOK: Key[Outlook] = Key("the outlook of jobs that would wait")
"""Filled in by a higher room: the matcher knows which pilots there were."""


def _shown(document: Mapping[str, Any], name: str, attribute: JobAttribute) -> Any:
    try:
        return added_value(document.get(name), name, attribute)
    except BadAttribute:
        # The rule has become stricter since; what the user wrote is still what the job has.
        return document[name]


def candidates(prepared: Prepared) -> list[Candidate]:
    """Return the distinct descriptions of a submission, each with the first place where it stands."""
    first: dict[int, int] = {}
    for place, number in enumerate(prepared.order):
        first.setdefault(number, place)
    return [Candidate(first[number], description) for number, description in enumerate(prepared.descriptions)]
