"""What a document's hints say of its job, what is wrong with them, and the layers that lie below and above."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from weyl.config.cwl import CWLOptions
from weyl.cwl.additions import HintKind
from weyl.cwl.models.hints import JOB, NAMESPACE, Binding, JobHint, Source
from weyl.cwl.problems import Problem, nearest, problem
from weyl.cwl.types import escaped, shown

_WRONG_ROUTE = {
    f"{NAMESPACE}Production": "a production",
    f"{NAMESPACE}Workgraph": "a production",
    f"{NAMESPACE}Transformation": "a transformation",
}
_OLD_FIELDS = {"legacy_jdl": "requirements_template", "matcher": "requirements_template"}
_OLD_HINTS = {
    "execution-hooks": "dirac:Job",
    "job-execution": "dirac:Job",
    "scheduling": "dirac:Job",
    "task-queue": "dirac:Job",
    "data-management": "dirac:Job",
    "production": "dirac:Production",
    "transformation": "dirac:Transformation",
}
_FIELD = "is not a field of {}"
_WORDS = {
    "int_type": "must be a whole number, not {}",
    "string_type": "must be a text, not {}",
    "list_type": "must be a list, not {}",
    "dict_type": "must be an object, not {}",
    "model_type": "must be an object, not {}",
    "literal_error": "must be {expected}, not {}",
    "missing": "is missing",
}


@dataclass(frozen=True)
class Written:
    """A hint as it stands in a document, or in a submission (no file)."""

    iri: str
    word: str
    value: Any
    file: str | None
    pointer: str
    marks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Line and column by pointer into the value."""
    place: str = "process"
    """On what it stands: the process itself, or one of its inputs or outputs."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Written":
        """Take one from a compilation."""
        place = [told[name] for name in ("line", "column") if told.get(name) is not None]
        marks = {"": place} if len(place) == 2 else {}
        word, marks = told.get("written") or told["iri"], marks | (told.get("marks") or {})
        place = told.get("place", "process")
        return cls(told["iri"], word, told.get("value"), told.get("file"), told["pointer"], marks, place)

    def fault(self, code: str, detail: str, below: str = "", **more: Any) -> Problem:
        """Return a problem at a pointer into the value, at the nearest place that is known."""
        found = problem(code, detail, self.pointer + below, file=self.file, **more)
        at = below
        while at and at not in self.marks:
            at = at.rpartition("/")[0]
        mark = self.marks.get(at)
        return found if mark is None else found.at({"line": mark[0], "column": mark[1]})


@dataclass(frozen=True)
class Layer:
    """Values of hints that one place says, by field."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """The value that a field has in the end, and the highest layer that says something of it."""

    value: Any
    layer: str


@dataclass(frozen=True)
class Hints:
    """What a document or a submission says: weyl's own hint, and those of extensions."""

    job: JobHint = field(default_factory=JobHint)
    written: Written | None = None
    others: Sequence[tuple[str, BaseModel]] = ()
    """By IRI; one may stand on several inputs."""
    problems: Sequence[Problem] = ()


def read_hints(written: Iterable[Written], kinds: Mapping[str, HintKind]) -> Hints:
    """Return what hints say; those that nobody here knows are passed by, as any runner does."""
    job, source = JobHint(), None
    others: list[tuple[str, BaseModel]] = []
    problems: list[Problem] = []
    for each in written:
        try:
            if each.iri.startswith(NAMESPACE) and each.place != "process":
                told = f"{each.word} comes with productions, which this release does not have"
                problems.append(each.fault("not-available", told))
            elif each.iri == JOB:
                source, job = each, JobHint.model_validate(each.value)
            elif each.iri in kinds:
                kind = kinds[each.iri]
                if each.place not in kind.places:
                    told = f"{each.word} cannot stand on the {each.place}, only on: {', '.join(sorted(kind.places))}"
                    problems.append(each.fault("schema", told))
                others.append((each.iri, kind.model.model_validate(each.value)))
            else:
                problems += _not_ours(each)
        except ValidationError as error:
            model = JobHint if each.iri == JOB else kinds[each.iri].model
            problems += _faults(each, error, model)
    return Hints(job, source, others, problems)


def _not_ours(each: Written) -> Iterator[Problem]:
    """Yield what is wrong with a hint that no job has."""
    last = each.iri.rpartition("#")[2].rpartition("/")[2]
    if each.iri in _WRONG_ROUTE:
        what = _WRONG_ROUTE[each.iri]
        yield each.fault("wrong-route", f"the document is {what}, which this release cannot run; a job has dirac:Job")
    elif each.word.partition(":")[0] == "dirac" and last in _OLD_HINTS:
        told = f"{each.word} is a hint of a prototype: say it in {_OLD_HINTS[last]}"
        yield each.fault("old-hint", told, did_you_mean=_OLD_HINTS[last])
    elif each.iri.startswith(NAMESPACE):
        known = [iri.removeprefix(NAMESPACE) for iri in (JOB, *_WRONG_ROUTE)]
        guess = nearest(last, known)
        hint = None if guess is None else f"dirac:{guess}"
        yield each.fault("schema", f"{each.word} is not a hint of weyl", did_you_mean=hint)
    elif each.word.startswith("dirac:"):
        told = f"{each.word} is {each.iri}, which no runner knows: in $namespaces, dirac must be {NAMESPACE}"
        yield each.fault("schema", told)


def _faults(each: Written, error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    for found in error.errors(include_url=False):
        names = [name for name in found["loc"] if not str(name).startswith("#")]
        below = "".join(f"/{escaped(str(name))}" for name in names)
        last = str(names[-1]) if names else ""
        where = ".".join(map(str, names)) or each.word
        if found["type"] == "extra_forbidden" and len(names) == 1 and last in _OLD_FIELDS and model is JobHint:
            told = f"{last} is a field of a prototype: use {_OLD_FIELDS[last]}"
            yield each.fault("old-hint", told, below, did_you_mean=_OLD_FIELDS[last])
        elif found["type"] == "extra_forbidden":
            known = _fields(model, names[:-1])
            yield each.fault("schema", f"{where} {_FIELD.format(each.word)}", below, did_you_mean=nearest(last, known))
        else:
            yield each.fault("schema", f"{where} {_words(found)}", below)


def _fields(model: type[BaseModel], above: Sequence[object]) -> list[str]:
    """Return the fields that an object may have: those of the model, or of a source or a binding inside of it."""
    if not above:
        return list(model.model_fields)
    return list((Binding if above[0] == "output_data" else Source).model_fields)


def _words(found: ErrorDetails) -> str:
    words = _WORDS.get(found["type"])
    if words is None:
        return f"{found['msg'][:1].lower()}{found['msg'][1:]}"
    return words.format(shown(found["input"]), **(found.get("ctx") or {}))


def overriding(hints: Mapping[str, Any], kinds: Mapping[str, HintKind]) -> Hints:
    """Return what a submission says over the document: fields of `dirac:Job`, or hints by name."""
    named = {"dirac:Job": JOB, JOB: JOB} | {iri: iri for iri in kinds}
    fields = {name: value for name, value in hints.items() if name not in named}
    written = [
        Written(named[name], name, value, None, f"/hints/{escaped(name)}")
        for name, value in hints.items()
        if name in named
    ]
    if fields:
        own = [each for each in written if each.iri == JOB and isinstance(each.value, dict)]
        value = {**(own[0].value if own else {}), **fields}
        others = [each for each in written if each.iri != JOB]
        written = [Written(JOB, "dirac:Job", value, None, "/hints"), *others]
    return read_hints(written, kinds)


def effective(document: Hints, submission: Hints, options: CWLOptions, *, vo: str) -> dict[str, Value]:
    """Return the values that hold for a job, by field."""
    place = f"Operations.{vo}.CWL"
    lowest = Layer(f"{place}.Defaults", options.defaults.model_dump(exclude_none=True))
    upper = [Layer("the document", document.job.said()), Layer("the submission", submission.job.said())]
    named = [layer.values["job_type"] for layer in (lowest, *upper) if layer.values.get("job_type") is not None]
    of_type = options.per_job_type.get(named[-1]) if named else options.per_job_type.get("User")
    layers = [lowest]
    if of_type is not None:
        values = of_type.model_dump(exclude_none=True, exclude={"commands"})
        layers.append(Layer(f"{place}.PerJobType.{named[-1] if named else 'User'}", values))
    return _laid([*layers, *upper])


def _laid(layers: Iterable[Layer]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for layer in layers:
        for name, value in layer.values.items():
            below = found[name].value if name in found else None
            found[name] = Value(_merged(name, below, value), layer.name)
    return found


def _merged(name: str, below: Any, above: Any) -> Any:
    if name == "output_sandbox":
        said = [*(below or ()), *(above or ())]
        return [each for index, each in enumerate(said) if each not in said[:index]]
    if isinstance(below, dict) and isinstance(above, dict):
        return laid_over(below, above)
    return above


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one requirements document over another; `num_cores` and `architecture` are taken whole."""
    merged = deepcopy(dict(below))
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(value, Mapping) and isinstance(under, Mapping) and name not in ("num_cores", "architecture"):
            merged[name] = laid_over(under, value)
        else:
            merged[name] = deepcopy(value)
    return merged
