"""From texts to jobs that can be stored: reads what was submitted, fills in defaults and refuses what cannot run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal, TypeVar

from weyl.descriptions import jdl, json_form, parametric, work
from weyl.descriptions.attributes import JobAttribute, added_value, integer_of, respelled, text_of, texts_of
from weyl.descriptions.errors import BadAttribute, BadSubmission, JDLSyntaxError
from weyl.descriptions.jdl import Document
from weyl.descriptions.overrides import NONE, Overrides
from weyl.descriptions.parametric import Expansion, Filled, Parameter
from weyl.descriptions.requirements import (
    ATTRIBUTES,
    Limits,
    authored_requirements,
    cpu_time_s,
    names_architecture,
    priority,
    resolve,
    site_column,
)
from weyl.descriptions.work import STOP_SIGNAL, read_work
from weyl.task_queues.errors import InvalidRequirements, Problem
from weyl.task_queues.requirements import USER_PRIORITY_MAX, ClassContext, RequirementClass, make_class

T = TypeVar("T")
Form = Literal["jdl", "json"]
"""How the descriptions of a submission are written."""

SANDBOX_PREFIX = "SB:"
# Attribute -> longest text that its column takes, and what the column shows if the attribute is absent.
_TEXT_COLUMNS = {"JobType": (32, "user"), "JobGroup": (32, "00000000"), "JobName": (128, "Unknown")}
_COLUMN_NAMES = {"JobType": "job_type", "JobGroup": "job_group", "JobName": "job_name"}
_SITE_LENGTH_MAX = 100
_NUMBERS = ("CPUTime", "Priority")
# Checked where a job is submitted only: what was stored before still runs.
_STOP_SIGNAL_MAX = dict(zip(STOP_SIGNAL, (64, 31_536_000, 31_536_000), strict=True))
USER_JOBS = "user"
"""The type of jobs, in small letters, whose number of files is bounded."""
NO_ATTRIBUTES: Mapping[str, JobAttribute] = {}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose jobs they are."""

    vo: str
    group: str
    name: str


@dataclass(frozen=True)
class Description:
    """One submitted text, ready to be stored, and the jobs that it makes; `jdl` is what was submitted, as JDL.

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

    descriptions: list[Description]
    order: list[int] = field(default_factory=list)

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
    descriptions: list[Description] = []
    order: list[int] = []
    for index, text in enumerate(texts):
        if text not in found:
            found[text] = len(descriptions)
            descriptions.append(read.one(index, text, jobs_max=jobs_max if len(texts) == 1 else 0))
        order.append(found[text])
    return Prepared(descriptions, order)


def requirement_classes(
    document: dict[str, Any],
    owner: Owner,
    limits: Limits,
    overrides: Overrides = NONE,
    *,
    sites: Sequence[str] | None = None,
    local_data: Sequence[str] = (),
) -> tuple[RequirementClass, ...]:
    """Return the classes of jobs with this description, one an alternative; any of them may match.

    `overrides` are what retries have changed of it, `sites` the only ones where it may run, if that is known better
    than from the description, and `local_data` those that have all its input data on disk.

    Raises `BadAttribute`, or `InvalidRequirements` with the problems of all alternatives.
    """
    resolved = resolve(document, limits)
    context = ClassContext(
        vo=owner.vo,
        group=owner.group,
        owner=owner.name,
        job_type=resolved.job_type,
        user_priority=min(resolved.priority, USER_PRIORITY_MAX),
        sites=resolved.sites if sites is None else sites,
        banned_sites=resolved.banned_sites if sites is None else (),
        avoid=overrides.avoid,
        avoid_hosts_until=None if overrides.hosts_until is None else int(overrides.hosts_until.timestamp()),
        local_data=local_data,
    )
    made: dict[bytes, RequirementClass] = {}
    problems: list[Problem] = []
    for requirements, pointer in zip(resolved.alternatives, resolved.pointers, strict=True):
        try:
            found = make_class(overrides.applied(requirements), at=pointer, **context)
        except InvalidRequirements as error:
            problems += error.problems
            continue
        made.setdefault(found.hash, found)
        if limits.require_architecture and not names_architecture(requirements):
            problems.append(Problem(f"{pointer}/cpu/architecture/name", "must be given in your VO, such as x86_64"))
    if problems:
        raise InvalidRequirements(problems)
    return tuple(made.values())


def text_of_job(text: str, document: Document, parameters: dict[str, Any] | None, job_id: int) -> str:
    """Return the description of one job: as submitted, or, for one of many parametric jobs, with its own values."""
    return text if parameters is None else jdl.render(parametric.fill(document, parameters, job_id))


def previewed(description: Description, limit: int) -> Iterator[str]:
    """Yield the first jobs of a description as they would be; their ids stay open."""
    for values in islice(description.parameters() or [None], limit):
        yield description.jdl if values is None else jdl.render(parametric.fill(description.document, values, "%j"))


def variants(expansion: Expansion, document: Document, names: Sequence[str]) -> tuple[list[Document], list[int]]:
    """Return the distinct forms that the attributes `names` take among the jobs, and for each job which it is.

    Attributes without placeholders are left out, so a description in which none varies has one empty form.
    """
    varying = {name: document[name] for name in names if parametric.varies(document.get(name))}
    if not varying:
        return [{}], [0] * expansion.count
    texts = list(dict.fromkeys(text for value in varying.values() for text in parametric.texts_in(value)))
    if expansion.count * sum(map(expansion.longest, texts)) > parametric.FILLED_TOTAL_MAX:
        raise BadAttribute(next(iter(varying)), "is too long to differ in that many jobs: submit fewer at a time")
    forms: dict[tuple[Filled, ...], int] = {}
    which: list[int] = []
    for filled in zip(*(expansion.texts(text) for text in texts), strict=True):
        which.append(forms.setdefault(filled, len(forms)))
    documents = []
    for filled in forms:
        replacement = dict(zip(texts, filled, strict=True))
        documents.append({name: parametric.mapped(value, replacement.__getitem__) for name, value in varying.items()})
    return documents, which


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the texts of one submission."""

    owner: Owner
    limits: Limits
    attributes: Mapping[str, JobAttribute]
    form: Form

    def one(self, index: int, text: str, *, jobs_max: int) -> Description:
        try:
            return self._description(text, jobs_max)
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

    def _description(self, text: str, jobs_max: int) -> Description:
        limits = self.limits
        document = jdl.parse(text) if self.form == "jdl" else json_form.parse(text)
        submitted = text if self.form == "jdl" else jdl.render(document)
        expansion = _expansion(document, jobs_max)
        if expansion is not None:
            document = parametric.template(document, expansion.count)
            parametric.check_size(expansion, document)
        _check_owner(document, self.owner)
        if text_of(document, "Executable") is None:
            raise BadAttribute("Executable", 'is missing: say which program to run, such as Executable = "/bin/date";')
        # How many files a text names is the same in all jobs, unless it becomes a list.
        of_lists = expansion if expansion is not None and expansion.has_lists else None
        _of_each_job(of_lists, document, ["InputData"], partial(_check_input_data, limits=limits))
        authored = authored_requirements(document)
        if authored is not None and parametric.varies(document["Requirements"]):
            raise BadAttribute("Requirements", "must be the same for all jobs of one description: no placeholders")
        numbers = dict(zip(_NUMBERS, _numbers(document, limits), strict=True))
        if authored is not None:
            del numbers["CPUTime"]
        for name, value in numbers.items():
            if not parametric.varies(document.get(name)):
                document[name] = value
        if self.attributes:
            document = _with_added(expansion, document, self.attributes)
        classes = _of_each_job(
            expansion, document, ATTRIBUTES, lambda job: requirement_classes(job, self.owner, limits)
        )
        # what only the pilot reads must be readable, too: nobody could tell the user once a pilot has the job
        _of_each_job(expansion, document, STOP_SIGNAL if of_lists is None else work.ATTRIBUTES, _check_work)
        columns: dict[str, list[str] | list[int]] = {
            column: _of_each_job(expansion, document, [name], partial(_text_column, name, limits=limits))
            for name, column in _COLUMN_NAMES.items()
        }
        columns["site"] = _of_each_job(expansion, document, ["Site"], _site)
        columns["user_priority"] = _of_each_job(expansion, document, ["Priority"], lambda job: priority(job, limits))
        sandboxes = _of_each_job(expansion, document, ["InputSandbox"], _sandboxes)
        warnings = () if authored is None else resolve(document, limits).warnings
        return Description(submitted, document, columns, sandboxes, expansion, warnings, classes[0])


def _with_added(expansion: Expansion | None, document: Document, attributes: Mapping[str, JobAttribute]) -> Document:
    """Check what extensions have added; where a value is the same for all jobs, keep what they make of it."""
    document = respelled(document, attributes)
    for name in attributes.keys() & document.keys():
        values = _of_each_job(expansion, document, [name], partial(added_value, name=name, attribute=attributes[name]))
        if not parametric.varies(document[name]):
            document[name] = values[0]
    return document


def _expansion(document: Document, jobs_max: int) -> Expansion | None:
    if jobs_max:
        return parametric.expand(document, jobs_max=jobs_max)
    if any(name.partition(".")[0] == "Parameters" for name in document):
        raise BadAttribute("Parameters", "a parametric job must be submitted alone, not in a list of several")
    return None


def _check_owner(document: Document, owner: Owner) -> None:
    vo = text_of(document, "VirtualOrganization")
    if vo is not None and vo != owner.vo:
        raise BadAttribute("VirtualOrganization", f"is {vo!r}, but you are logged in to {owner.vo!r}")
    document["VirtualOrganization"] = owner.vo
    document["Owner"] = owner.name
    document["OwnerGroup"] = owner.group


def _check_input_data(document: Document, limits: Limits) -> None:
    job_type = text_of(document, "JobType") or USER_JOBS
    if job_type.lower() == USER_JOBS and len(texts_of(document, "InputData")) > limits.input_data_max:
        raise BadAttribute("InputData", f"names more than {limits.input_data_max} files, which is the limit of your VO")


def _numbers(document: Document, limits: Limits) -> tuple[int, int]:
    """CPUTime and Priority as they count; where they vary, the values here are not used."""
    fixed = {name: value for name, value in document.items() if not parametric.varies(value)}
    return cpu_time_s(fixed, limits), priority(fixed, limits)


def _of_each_job(
    expansion: Expansion | None, document: Document, names: Sequence[str], read: Callable[[Document], T]
) -> list[T]:
    """What `read` makes of the attributes `names`: one value if it is the same for all jobs, else one a job."""
    if expansion is None:
        return [read(document)]
    forms, which = variants(expansion, document, names)
    values = [read(document | form) for form in forms]
    return values if len(values) == 1 else [values[form] for form in which]


def _check_work(document: Document) -> None:
    read_work(document)
    for name, most in _STOP_SIGNAL_MAX.items():
        integer_of(document, name, most=most)


def _text_column(name: str, document: Document, limits: Limits) -> str:
    text = text_of(document, name)
    if text is None:
        return _TEXT_COLUMNS[name][1]
    length_max = _TEXT_COLUMNS[name][0]
    if len(text) > length_max:
        raise BadAttribute(name, f"has {len(text)} characters; at most {length_max} are allowed")
    if name == "JobType" and text not in limits.job_types:
        allowed = ", ".join(sorted(limits.job_types))
        raise BadAttribute(name, f"{text!r} is not allowed in your VO; use one of {allowed}")
    return text


def _site(document: Document) -> str:
    site = site_column(document)
    if len(site) > _SITE_LENGTH_MAX:
        raise BadAttribute("Site", f"{site[:20]!r}... is too long for the name of a site")
    return site


def _sandboxes(document: Document) -> list[str]:
    return [name for name in dict.fromkeys(texts_of(document, "InputSandbox")) if name.startswith(SANDBOX_PREFIX)]
