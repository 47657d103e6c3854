"""From a document to jobs that can be stored: defaults are filled in, what cannot run is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from weyl.descriptions import jdl, output_data, parametric, work
from weyl.descriptions.attributes import JobAttribute, added_value, respelled, runs_workflow, text_of
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import FIELDS, Description, Owner, value_of
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import FORBIDDEN, Document
from weyl.descriptions.parametric import Expansion
from weyl.descriptions.requirements import ATTRIBUTES, Limits, cpu_time_s, priority, resolve, site_column
from weyl.descriptions.rows import Rows
from weyl.descriptions.variants import Differences, variants
from weyl.kit import json
from weyl.task_queues.requirements import RequirementClass

T = TypeVar("T")

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
    columns: dict[str, list[Any]]
    sandboxes: list[list[str]]
    expansion: Differences | None = None
    warnings: tuple[str, ...] = ()
    # The classes of the first job: what the others differ in hardly ever decides where they can run.
    classes: tuple[RequirementClass, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of jobs."""
        return 1 if self.expansion is None else self.expansion.count

    @property
    def runs_workflow(self) -> bool:
        """Whether its jobs run a workflow: then its texts hold no placeholders."""
        return runs_workflow(self.document)

    def parameters(self) -> Iterator[Mapping[str, Any]] | None:
        """Return the parametric values, or the attributes that are its own, job by job; None if there are none."""
        return None if self.expansion is None else self.expansion.parameters()

    def stored_document(self) -> Document:
        """Return the document as it is stored, with the values that many jobs have."""
        kinds = self.expansion.kinds() if isinstance(self.expansion, Rows) else {}
        return {**self.document, parametric.KINDS: kinds} if kinds else self.document

    def stored_parameters(self) -> Iterator[str] | None:
        """Return what is stored with each job, as JSON: what the stored document is filled with. None if nothing is."""
        if isinstance(self.expansion, Rows) and self.expansion.attributes:
            return self.expansion.parameter_texts()
        parameters = self.parameters()
        return None if parameters is None else map(json.dumps_text, parameters)

    def inputs(self) -> Sequence[str | None] | None:
        """Return the JSON texts of the input objects, one a job; None if jobs of this kind have none."""
        return self.expansion.inputs if isinstance(self.expansion, Rows) else None


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
    expansion: Differences | None = None,
    attributes: Mapping[str, JobAttribute] = NO_ATTRIBUTES,
) -> Described:
    """Return the jobs that a document makes, checked and ready for `jobs.service.storing.store`.

    Whatever makes jobs makes them here: JDL and JSON through `texts.prepare`, everything else directly. The document
    holds placeholders where the jobs of its expansion differ; where they differ by `Rows` it runs a workflow, and the
    attributes of the rows are put in here. `text` is what people are shown of it; by default the document as JDL.
    `attributes` are those of extensions. Whether there is something to run is for the caller to say.

    Raises `BadAttribute` or `InvalidRequirements`.
    """
    assert isinstance(expansion, Rows | None) or not runs_workflow(document), "workflows have no placeholders"
    if isinstance(expansion, Rows):
        document = expansion.marked(document)
        assert runs_workflow(document), "only workflows differ by rows"
    elif expansion is not None:
        parametric.check_size(expansion, document)
    if runs_workflow(document):
        _check_texts(document, expansion)
    shown = jdl.render(document) if text is None else text
    document = _with_added(expansion, _owned(document, owner), attributes)
    jobs = _Jobs.of(document, expansion)
    first = jobs.first
    numbers = {"CPUTime": cpu_time_s(first.cpu_time_s, limits), "Priority": priority(first.priority, limits)}
    if first.requirements is not None:
        del numbers["CPUTime"]
        if isinstance(expansion, Expansion) and "Requirements" in jobs.varying:
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


@dataclass(frozen=True, slots=True)
class _Jobs:
    """The jobs of one document: the first of them in full, and in which attributes others may differ from it."""

    document: Document
    expansion: Differences | None
    first: Description
    varying: frozenset[str]

    @classmethod
    def of(cls, document: Document, expansion: Differences | None) -> "_Jobs":
        """Read the first job; raises `BadAttribute`."""
        if expansion is None:
            return cls(document, None, Description.read(document), frozenset())
        if isinstance(expansion, Rows):
            return cls(
                document,
                expansion,
                Description.read({**document, **expansion.values[0]}),
                frozenset(expansion.attributes),
            )
        varying = parametric.varying(document, document)
        filled = parametric.fill_some(document, varying, next(expansion.parameters()), "%j")
        return cls(document, expansion, Description.read(document | filled), frozenset(varying))

    def each(self, name: str, make: Callable[[Any], T]) -> list[T]:
        """Return what `make` says of an attribute: one answer if it is the same in all jobs, else one a job."""
        if self.expansion is None or name not in self.varying:
            return [make(getattr(self.first, FIELDS[name].field))]
        forms, which = variants(self.expansion, self.document, [name])
        answers = [make(value_of(form[name], name)) for form in forms]
        return answers if len(answers) == 1 else [answers[form] for form in which]

    def forms(self, names: Sequence[str]) -> Iterator[Description]:
        """Yield a description for each different filling that the attributes `names` get, the first job's first.

        Where they are the same in all jobs it is that of the first job; else each says these attributes and no others.
        """
        if self.expansion is None or self.varying.isdisjoint(names):
            yield self.first
            return
        said = {name: self.document[name] for name in names if name in self.document}
        for form in variants(self.expansion, self.document, names)[0]:
            yield Description.read(said | form)


def _owned(document: Document, owner: Owner) -> Document:
    vo = text_of(document.get("VirtualOrganization"), "VirtualOrganization")
    if vo is not None and vo != owner.vo:
        raise BadAttribute("VirtualOrganization", f"is {vo!r}, but you are logged in to {owner.vo!r}")
    return {**document, "VirtualOrganization": owner.vo, "Owner": owner.name, "OwnerGroup": owner.group}


def _check_texts(document: Document, expansion: Differences | None) -> None:
    """Refuse characters that cannot be stored, as the readers of JDL and JSON do."""
    said = list(document.items())
    if isinstance(expansion, Rows):
        said += [(name, value) for name in expansion.attributes for value in expansion.distinct(name)[0]]
        said += [("JobName", "".join(expansion.names or ()))]
    for name, value in said:
        if any(FORBIDDEN.search(text) for text in parametric.texts_in(value)):
            raise BadAttribute(name, "has a character that no text may have, such as NUL")


def _with_added(expansion: Differences | None, document: Document, attributes: Mapping[str, JobAttribute]) -> Document:
    """Check what extensions have added; where a value is the same for all jobs, keep what they make of it."""
    if not attributes:
        return document
    document = respelled(document, attributes)
    for name in attributes.keys() & document.keys():
        forms = [{}] if expansion is None else variants(expansion, document, [name])[0]
        kept = [added_value(form.get(name, document[name]), name, attributes[name]) for form in forms]
        if not forms[0]:
            document[name] = kept[0]
    return document


def _check(jobs: _Jobs, limits: Limits) -> None:
    """Check what only the pilot reads, too: nobody could tell the user once a pilot has the job."""
    # How many files a text names is the same in all jobs, and whether it can be read, unless it becomes a list.
    files = len(jobs.first.input_data)
    if jobs.expansion is not None and jobs.expansion.has_lists:
        files = max(jobs.each("InputData", len))
        for name in work.ATTRIBUTES:
            if name != "InputData":
                jobs.each(name, bool)
    if (jobs.first.job_type or USER_JOBS).lower() == USER_JOBS and files > limits.input_data_max:
        raise BadAttribute("InputData", f"names more than {limits.input_data_max} files, which is the limit of your VO")
    for name, most in _STOP_SIGNAL_MAX.items():
        jobs.each(name, partial(_check_bound, name=name, most=most))
    if jobs.first.stop_signal is not None:
        text_of(jobs.document.get("StopSigRegex"), "StopSigRegex")
    if not runs_workflow(jobs.document):
        jobs.each("OutputData", output_data.check_items)
        jobs.each("OutputPath", output_data.check_path)
        jobs.each("OutputMetadata", bool)


def _check_bound(value: int | None, name: str, most: int) -> None:
    if value is not None and value > most:
        raise BadAttribute(name, f"must be between 0 and {most}, not {value}")


def _needs(jobs: _Jobs, owner: Owner, limits: Limits) -> tuple[tuple[str, ...], tuple[RequirementClass, ...]]:
    """Check what every job needs; returns what to tell the user of the first one, and its classes."""
    made = None
    for description in jobs.forms(ATTRIBUTES):
        resolved = resolve(description, limits)
        classes = requirement_classes(resolved, owner, limits)
        if made is None:
            made = (() if description.requirements is None else resolved.warnings), classes
    assert made is not None, "there is at least one job"
    return made


def _columns(jobs: _Jobs, limits: Limits) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        column: jobs.each(name, partial(_text_column, name=name, limits=limits))
        for name, (column, _, _) in _TEXT_COLUMNS.items()
        if column != "job_name" or not runs_workflow(jobs.document)
    }
    if runs_workflow(jobs.document):
        columns["job_name"] = _job_names(jobs)
    columns["site"] = jobs.each("Site", _site)
    columns["user_priority"] = jobs.each("Priority", partial(priority, limits=limits))
    columns["wants_outputs"] = jobs.each("OutputData", bool)
    return columns


def _job_names(jobs: _Jobs) -> list[str]:
    """Return what shows as the names of jobs that run a workflow: a label may be of any length."""
    _, length_max, absent = _TEXT_COLUMNS["JobName"]
    names = jobs.expansion.names if isinstance(jobs.expansion, Rows) else None
    return [name[:length_max] for name in names or [jobs.first.job_name or absent]]


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
