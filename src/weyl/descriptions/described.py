"""From documents and texts to jobs that can be stored: defaults are filled in, what cannot run is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

from weyl.descriptions import jdl, json_form, parametric, work
from weyl.descriptions.attributes import JobAttribute, added_value, respelled, text_of
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadAttribute, BadSubmission, JDLSyntaxError
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import Expansion, Parameter
from weyl.descriptions.requirements import ATTRIBUTES, Limits, cpu_time_s, priority, resolve, site_column
from weyl.descriptions.variants import Jobs, variants
from weyl.task_queues.errors import InvalidRequirements
from weyl.task_queues.requirements import RequirementClass

Form = Literal["jdl", "json"]
"""How the descriptions of a submission are written."""

SANDBOX_PREFIX = "SB:"
# Attribute -> the column that shows it, the longest text that the column takes, and what it shows if there is none.
_TEXT_COLUMNS = {
    "JobType": ("job_type", 32, "user"),
    "JobGroup": ("job_group", 32, "00000000"),
    "JobName": ("job_name", 128, "Unknown"),
}
_SITE_LENGTH_MAX = 100
# Checked where a job is submitted only: what was stored before still runs.
_STOP_SIGNAL_MAX = dict(zip(work.STOP_SIGNAL, (64, 31_536_000, 31_536_000), strict=True))
USER_JOBS = "user"
"""The type of jobs, in small letters, whose number of files is bounded."""
NO_ATTRIBUTES: Mapping[str, JobAttribute] = {}


@dataclass(frozen=True)
class Described:
    """One description, ready to be stored, and the jobs that it makes; `jdl` is what was submitted, as JDL.

    Each list holds one entry for all jobs, or, where they differ, one a job.
    """

    jdl: str
    document: Document
    columns: dict[str, list[str] | list[int]]
    sandboxes: list[list[str]]
    expansion: Expansion | None = None
    warnings: tuple[str, ...] = ()
    # The classes of the first job: what the others differ in hardly ever decides where they can run.
    classes: tuple[RequirementClass, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of jobs."""
        return 1 if self.expansion is None else self.expansion.count

    def parameters(self) -> Iterator[dict[str, Parameter]] | None:
        """Return the parametric values job by job; None for a plain one."""
        return None if self.expansion is None else self.expansion.parameters()


@dataclass(frozen=True)
class Prepared:
    """A whole submission: distinct descriptions, and for each job in the order asked for the index of its own."""

    descriptions: list[Described]
    order: list[int]

    @classmethod
    def of(cls, *descriptions: Described) -> "Prepared":
        """Return a submission of these descriptions, each of them once."""
        return cls(list(descriptions), list(range(len(descriptions))))

    @property
    def count(self) -> int:
        """Return the number of jobs."""
        return sum(self.descriptions[index].count for index in self.order)

    def warnings(self) -> list[tuple[str, ...]]:
        """Return what to tell the user, one list a job; nothing at all if there is nothing to tell."""
        if not any(description.warnings for description in self.descriptions):
            return []
        described = (self.descriptions[index] for index in self.order)
        return [description.warnings for description in described for _ in range(description.count)]


def described(
    document: Document,
    owner: Owner,
    limits: Limits,
    *,
    text: str | None = None,
    expansion: Expansion | None = None,
    attributes: Mapping[str, JobAttribute] = NO_ATTRIBUTES,
) -> Described:
    """Return the jobs that a document makes, checked and ready for `jobs.service.storing.store`.

    Whatever makes jobs makes them here: JDL and JSON through `prepare`, everything else directly. The document holds
    placeholders where the jobs of its expansion differ. `text` is what people are shown of it; by default the document
    as JDL. `attributes` are those of extensions. Whether there is something to run is for the caller to say.

    Raises `BadAttribute` or `InvalidRequirements`.
    """
    shown = jdl.render(document) if text is None else text
    if expansion is not None:
        parametric.check_size(expansion, document)
    document = _with_added(expansion, _owned(document, owner), attributes)
    jobs = Jobs.of(document, expansion)
    first = jobs.first
    numbers = {"Priority": priority(first.priority, limits)}
    if first.requirements is None:
        numbers["CPUTime"] = cpu_time_s(first.cpu_time_s, limits)
    elif parametric.varies(document["Requirements"]):
        raise BadAttribute("Requirements", "must be the same for all jobs of one description: no placeholders")
    _check(jobs, limits)
    warnings, classes = _needs(jobs, owner, limits)
    return Described(
        shown,
        document | {name: value for name, value in numbers.items() if name not in jobs.varying},
        _columns(jobs, limits),
        jobs.each("InputSandbox", _sandboxes),
        expansion,
        warnings,
        classes,
    )


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
        document = jdl.parse(text) if self.form == "jdl" else json_form.parse(text)
        submitted = text if self.form == "jdl" else jdl.render(document)
        expansion = _expansion(document, jobs_max)
        if expansion is not None:
            document = parametric.template(document, expansion.count)
        if text_of(document.get("Executable"), "Executable") is None:
            raise BadAttribute("Executable", 'is missing: say which program to run, such as Executable = "/bin/date";')
        return described(
            document, self.owner, self.limits, text=submitted, expansion=expansion, attributes=self.attributes
        )


def _expansion(document: Document, jobs_max: int) -> Expansion | None:
    if jobs_max:
        return parametric.expand(document, jobs_max=jobs_max)
    if any(name.partition(".")[0] == "Parameters" for name in document):
        raise BadAttribute("Parameters", "a parametric job must be submitted alone, not in a list of several")
    return None


def _owned(document: Document, owner: Owner) -> Document:
    vo = text_of(document.get("VirtualOrganization"), "VirtualOrganization")
    if vo is not None and vo != owner.vo:
        raise BadAttribute("VirtualOrganization", f"is {vo!r}, but you are logged in to {owner.vo!r}")
    return {**document, "VirtualOrganization": owner.vo, "Owner": owner.name, "OwnerGroup": owner.group}


def _with_added(expansion: Expansion | None, document: Document, attributes: Mapping[str, JobAttribute]) -> Document:
    """Check what extensions have added; where a value is the same for all jobs, keep what they make of it."""
    if not attributes:
        return document
    document = respelled(document, attributes)
    for name in attributes.keys() & document.keys():
        forms = [{}] if expansion is None else variants(expansion, document, [name])[0]
        kept = [added_value(form.get(name, document[name]), name, attributes[name]) for form in forms]
        if not parametric.varies(document[name]):
            document[name] = kept[0]
    return document


def _check(jobs: Jobs, limits: Limits) -> None:
    """Check what only the pilot reads, too: nobody could tell the user once a pilot has the job."""
    # How many files a text names is the same in all jobs, and whether it can be read, unless it becomes a list.
    if jobs.expansion is not None and jobs.expansion.has_lists:
        for name in work.ATTRIBUTES:
            jobs.each(name, bool)
        counts = jobs.each("InputData", len)
    else:
        counts = [len(jobs.first.input_data)]
    if (jobs.first.job_type or USER_JOBS).lower() == USER_JOBS and max(counts) > limits.input_data_max:
        raise BadAttribute("InputData", f"names more than {limits.input_data_max} files, which is the limit of your VO")
    for name, most in _STOP_SIGNAL_MAX.items():
        jobs.each(name, partial(_check_bound, name=name, most=most))


def _check_bound(value: int | None, name: str, most: int) -> None:
    if value is not None and value > most:
        raise BadAttribute(name, f"must be between 0 and {most}, not {value}")


def _needs(jobs: Jobs, owner: Owner, limits: Limits) -> tuple[tuple[str, ...], tuple[RequirementClass, ...]]:
    """Check what every job needs; returns what to tell the user of the first one, and its classes."""
    made = None
    for description in jobs.forms(ATTRIBUTES):
        resolved = resolve(description, limits)
        classes = requirement_classes(resolved, owner, limits)
        if made is None:
            made = (() if description.requirements is None else resolved.warnings), classes
    assert made is not None, "there is at least one job"
    return made


def _columns(jobs: Jobs, limits: Limits) -> dict[str, list[str] | list[int]]:
    columns: dict[str, list[str] | list[int]] = {
        column: jobs.each(name, partial(_text_column, name=name, limits=limits))
        for name, (column, _, _) in _TEXT_COLUMNS.items()
    }
    columns["site"] = jobs.each("Site", _site)
    columns["user_priority"] = jobs.each("Priority", partial(priority, limits=limits))
    return columns


def _text_column(text: str | None, name: str, limits: Limits) -> str:
    _, length_max, absent = _TEXT_COLUMNS[name]
    if text is None:
        return absent
    if len(text) > length_max:
        raise BadAttribute(name, f"has {len(text)} characters; at most {length_max} are allowed")
    if name == "JobType" and text not in limits.job_types:
        allowed = ", ".join(sorted(limits.job_types))
        raise BadAttribute(name, f"{text!r} is not allowed in your VO; use one of {allowed}")
    return text


def _site(sites: Sequence[str]) -> str:
    site = site_column(sites)
    if len(site) > _SITE_LENGTH_MAX:
        raise BadAttribute("Site", f"{site[:20]!r}... is too long for the name of a site")
    return site


def _sandboxes(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(SANDBOX_PREFIX)]
