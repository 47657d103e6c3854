"""From the texts of a submission to jobs that can be stored, and back to the text of one job."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from weyl.descriptions import jdl, json_form, parametric
from weyl.descriptions.advice import advice, check_placeholders
from weyl.descriptions.attributes import JobAttribute, text_of
from weyl.descriptions.described import NO_ATTRIBUTES, Described, Prepared, described
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadAttribute, BadSubmission, JDLSyntaxError
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import Expansion
from weyl.descriptions.requirements import Limits
from weyl.kit import json
from weyl.task_queues.errors import InvalidRequirements

Form = Literal["jdl", "json"]
"""How the descriptions of a submission are written."""


def prepare(
    texts: Sequence[str],
    owner: Owner,
    limits: Limits,
    *,
    jobs_max: int,
    attributes: Mapping[str, JobAttribute] = NO_ATTRIBUTES,
    form: Form = "jdl",
) -> Prepared:
    """Read a submission in one of the two forms.

    Raises `BadSubmission` that names the first bad job, its attribute and what is wrong.
    """
    read = _Reader(owner, limits, attributes, form)
    if not texts:
        raise BadSubmission("No jobs: the list of job descriptions is empty")
    if len(texts) > jobs_max:
        raise BadSubmission(f"One submission takes at most {jobs_max} jobs: split it")
    found: dict[str, int] = {}
    descriptions: list[Described] = []
    order: list[int] = []
    for index, text in enumerate(texts):
        if text not in found:
            found[text] = len(descriptions)
            descriptions.append(read.one(index, text, jobs_max=jobs_max if len(texts) == 1 else 0))
        order.append(found[text])
    return Prepared(descriptions, order)


def text_of_job(text: str, document: Document, parameters: dict[str, Any] | None, job_id: int) -> str:
    """Return the description of one job: as submitted, or, for one of many parametric jobs, with its own values."""
    return text if parameters is None else jdl.render(parametric.fill(document, parameters, job_id))


def previewed(description: Described, limit: int) -> Iterator[str]:
    """Yield the first jobs of a description as they would be; their ids stay open."""
    for values in islice(description.parameters() or [None], limit):
        yield description.jdl if values is None else jdl.render(parametric.fill(description.document, values, "%j"))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the texts of one submission."""

    owner: Owner
    limits: Limits
    attributes: Mapping[str, JobAttribute]
    form: Form

    def one(self, index: int, text: str, *, jobs_max: int) -> Described:
        try:
            return self._described(text, jobs_max)
        except JDLSyntaxError as error:
            place = {"line": error.line, "column": error.column}
            raise BadSubmission(f"Job {index}: {error.detail}", extra={"index": index, **place}) from error
        except BadAttribute as error:
            place = jdl.place_of(text, error.attribute) if self.form == "jdl" else {}
            raise BadSubmission(
                f"Job {index}: {error.attribute}: {error.reason}",
                extra={"index": index, "attribute": error.attribute, "reason": error.reason, **place},
            ) from error
        except InvalidRequirements as error:
            raise BadSubmission(f"Job {index}: {error.detail}", extra={**error.extra, "index": index}) from error

    def _described(self, text: str, jobs_max: int) -> Described:
        document = jdl.parse(text) if self.form == "jdl" else json_form.parse(json.loads(text))
        submitted = text if self.form == "jdl" else jdl.render(document)
        if "Workflow" in document:
            raise BadAttribute("Workflow", "is for jobs that are submitted as CWL: submit the document itself")
        expansion = _expansion(document, jobs_max)
        if self.limits.is_strict:
            check_placeholders(document, expansion, self.attributes)
        warnings = tuple(advice(document, expansion, self.attributes))
        if expansion is not None:
            document = parametric.template(document, expansion.count)
        if text_of(document.get("Executable"), "Executable") is None:
            raise BadAttribute("Executable", 'is missing: say which program to run, such as Executable = "/bin/date";')
        made = described(
            document, self.owner, self.limits, text=submitted, expansion=expansion, attributes=self.attributes
        )
        return replace(made, warnings=(*warnings, *made.warnings))


def _expansion(document: Document, jobs_max: int) -> Expansion | None:
    if jobs_max:
        return parametric.expand(document, jobs_max=jobs_max)
    if any(name.partition(".")[0] == "Parameters" for name in document):
        raise BadAttribute("Parameters", "a parametric job must be submitted alone, not in a list of several")
    return None
