"""The description of the jobs that run a document: what its hints and requirements come to, and what cannot be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weyl.cwl.additions import HintKind
from weyl.cwl.hints import Hints, Value, laid_over
from weyl.cwl.problems import Problem, nearest, problem
from weyl.cwl.requirements import Derived
from weyl.cwl.types import Type, is_always_a_file
from weyl.descriptions.description import Description
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.requirements import Limits, cpu_work, resolve
from weyl.task_queues import tags
from weyl.task_queues.errors import TagSyntaxError

STREAMS = ("std.out", "std.err")
JOB_TYPE = "User"
Requirements = dict[str, Any] | list[dict[str, Any]]

_ATTRIBUTES = {
    "group": "JobGroup",
    "log_level": "LogLevel",
    "priority": "Priority",
    "sites": "Site",
    "banned_sites": "BannedSites",
}


@dataclass(frozen=True)
class Said:
    """What hints of all layers say, and what the document declares that they may name."""

    values: Mapping[str, Value]
    document: Hints
    submission: Hints
    kinds: Mapping[str, HintKind]
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()

    def get(self, name: str) -> Any:
        """Return the value of a field of `dirac:Job`, if anything says one."""
        found = self.values.get(name)
        return None if found is None else found.value

    def fault(self, code: str, detail: str, field: str, below: str = "", **more: Any) -> Problem:
        """Return a problem at the place that says the value of a field."""
        found = self.values.get(field)
        layer = None if found is None else found.layer
        for written, name in ((self.submission.written, "the submission"), (self.document.written, "the document")):
            if written is not None and layer == name:
                return written.fault(code, detail, f"/{field}{below}", **more)
        return problem(code, f"{layer}: {detail}" if layer else detail, **more)


def attributes(said: Said, limits: Limits) -> tuple[dict[str, Any], list[Problem]]:
    """Return the attributes of the jobs that hints decide, all but `Requirements`."""
    problems = [*_sources(said)]
    document: dict[str, Any] = {
        attribute: said.get(name) for name, attribute in _ATTRIBUTES.items() if said.get(name) is not None
    }
    job_type = said.get("job_type") or JOB_TYPE
    if job_type not in limits.job_types and said.get("job_type") is not None:
        allowed = ", ".join(sorted(limits.job_types))
        told = f"{job_type!r} is not a type of jobs in your VO; use one of {allowed}"
        problems.append(
            said.fault("unknown-job-type", told, "job_type", did_you_mean=nearest(job_type, limits.job_types))
        )
    document["JobType"] = job_type
    if said.get("sites") and not set(said.get("sites")) - set(said.get("banned_sites") or ()):
        problems.append(said.fault("contradiction", "every one of sites is in banned_sites", "banned_sites"))
    patterns = [each for each in said.get("output_sandbox") or () if isinstance(each, str)]
    document["OutputSandbox"] = list(dict.fromkeys([*STREAMS, *patterns]))
    if said.get("output_data"):
        document["OutputData"] = [each["source"] for each in said.get("output_data")]
    added, faults = _of_extensions(said)
    added.pop("Requirements", None)
    return {**document, **added}, [*problems, *faults]


def bindings(said: Said, types: Mapping[str, Type]) -> list[dict[str, Any]]:
    """Return where the outputs go that are output data, as the description says it; `types` are those of the outputs.

    Whatever is always a file must be there in the end, whoever says otherwise.
    """
    return [
        {
            "Source": each["source"],
            "Path": each.get("output_path") or said.get("output_path"),
            "SE": each.get("output_se") or [],
        }
        | ({"Required": True} if is_always_a_file(types.get(each["source"])) else {})
        for each in said.get("output_data") or ()
    ]


def _sources(said: Said) -> Iterator[Problem]:
    """Yield each name that a hint takes for an input or output, and that none has, or that is bound twice."""
    fields = (
        ("input_sandbox", said.inputs),
        ("input_data", said.inputs),
        ("output_sandbox", said.outputs),
        ("output_data", said.outputs),
    )
    for name, known in fields:
        for index, item in enumerate(said.get(name) or ()):
            if isinstance(item, Mapping) and item["source"] not in known:
                what = "output" if name.startswith("output") else "input"
                told = f"{name}: the document has no {what} {item['source']!r}"
                guess = nearest(item["source"], known)
                yield said.fault("schema", told, name, f"/{index}/source", did_you_mean=guess)
    bound = [each["source"] for each in said.get("output_data") or ()]
    for index, source in enumerate(bound):
        if source in bound[:index]:
            told = f"output_data: {source!r} is bound twice; an output goes to one place"
            yield said.fault("schema", told, "output_data", f"/{index}/source")


def _of_extensions(said: Said) -> tuple[dict[str, Any], list[Problem]]:
    """Return what hints of extensions add to the description: those of the submission come last."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for iri, model in [*said.document.others, *said.submission.others]:
        try:
            told = dict(said.kinds[iri].attributes(model))
        except ValueError as error:
            problems.append(problem("schema", f"{iri}: {error}"))
            continue
        required = told.pop("Requirements", None)
        found |= told
        if required is not None:
            found["Requirements"] = laid_over(found.get("Requirements", {}), required)
    return found, problems


@dataclass(frozen=True)
class Frame:
    """What lies below and above the requirements that a document's tools come to; the same for all of its jobs."""

    below: Mapping[str, Any]
    template: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    limits: Limits
    said: Said

    @classmethod
    def of(cls, said: Said, limits: Limits) -> "Frame":
        """Read the shorthands of hints; raises `BadAttribute`."""
        asked = Description(
            cpu_time_s=said.get("cpu_work"),
            platforms=() if said.get("platform") is None else (said.get("platform"),),
            tags=tuple(said.get("tags") or ()),
        )
        [short] = resolve(asked, replace(limits, defaults={})).alternatives
        if said.get("cpu_work") is None:
            del short["cpu_work_db12"]
        added, _ = _of_extensions(said)
        below = _over(short, added.get("Requirements") or {})
        return cls(below, said.get("requirements_template"), limits, said)

    def requirements(self, made: Derived) -> tuple[Requirements, list[Problem]]:
        """Return the requirements of a job, or the alternatives of them, and what contradicts its document."""
        base, template = _over(self.below, made.requirements), self.template
        if template is None or isinstance(template, Mapping):
            found = self._completed(_over(base, template or {}), template or {})
            return found, list(self._contradictions(template or {}, made, ""))
        problems = [each for index, one in enumerate(template) for each in self._contradictions(one, made, f"/{index}")]
        return [self._completed(_over(base, one), one) for one in template], problems

    def _completed(self, requirements: dict[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
        """Add what a JDL job has from its VO: tags, and CPU work where no time is asked for."""
        if (default := self.limits.defaults.get("tags")) and not template.get("tags"):
            requirements = _over({"tags": default}, requirements)
        if requirements.get("wall_time") is None and requirements.get("cpu_work_db12") is None:
            requirements["cpu_work_db12"] = cpu_work(None, self.limits)
        return requirements

    def _contradictions(self, template: Mapping[str, Any], made: Derived, below: str) -> Iterator[Problem]:
        cpu = template.get("cpu")
        cores = cpu.get("num_cores") if isinstance(cpu, Mapping) else None
        for name, value in (cores or {}).items() if isinstance(cores, Mapping) else ():
            if isinstance(value, int) and value < made.cores_min and "/cpu/num_cores" in made.origins:
                told = f"{name} {value} is below the {made.cores_min} of {_told(made, '/cpu/num_cores')}"
                yield self._fault("contradiction", told, f"{below}/cpu/num_cores/{name}")
        ram = cpu.get("ram_mb") if isinstance(cpu, Mapping) else None
        request = ram.get("request") if isinstance(ram, Mapping) else None
        if isinstance(request, Mapping) and "/cpu/ram_mb" in made.origins:
            overhead, each = request.get("overhead", made.ram_mb), request.get("per_core", 0)
            if isinstance(overhead, int) and isinstance(each, int) and overhead + each * made.cores_min < made.ram_mb:
                told = f"{overhead + each * made.cores_min} MiB is below the {made.ram_mb} of"
                told = f"{told} {_told(made, '/cpu/ram_mb')}"
                yield self._fault("contradiction", told, f"{below}/cpu/ram_mb/request")

    def _fault(self, code: str, detail: str, below: str, **more: Any) -> Problem:
        return self.said.fault(code, f"requirements_template: {detail}", "requirements_template", below, **more)

    def located(self, pointer: str, made: Derived, detail: str, guess: str | None) -> Problem:
        """Return a problem with the requirements that result, at the place that asks for what is wrong."""
        below = pointer.removeprefix("/requirements")
        if self.template is not None and _leads_somewhere(self.template, below):
            return self._fault("requirements", f"{below} {detail}", below, did_you_mean=guess)
        found = problem("requirements", f"{below or 'requirements'}: {detail}", pointer, did_you_mean=guess)
        origins = [origin for start, origin in made.origins.items() if below.startswith(start)]
        return found.at(origins[0].place) if origins else found


def _told(made: Derived, pointer: str) -> str:
    origin = made.origins[pointer]
    return f"{origin.word} in {origin.tool}"


def _leads_somewhere(document: Any, pointer: str) -> bool:
    for part in pointer.split("/")[1:]:
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, Sequence) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return False
    return True


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay requirements over others; tags of both must hold."""
    merged = laid_over(below, above)
    both = [each["tags"] for each in (below, above) if each.get("tags")]
    if len(both) == 2:
        try:
            merged["tags"] = str(tags.conjunction([tags.parse(str(each)) for each in both]))
        except TagSyntaxError:
            merged["tags"] = above["tags"]
    return merged


def bad_attribute(error: BadAttribute, said: Said) -> Problem:
    """Return what is wrong with an attribute as a problem with the hint that it comes from."""
    if error.attribute.startswith("Output"):
        return said.fault("schema", f"output_data: {error.reason}", "output_data")
    named = {**_ATTRIBUTES, "platform": "Platform", "tags": "Tags", "cpu_work": "CPUTime", "job_type": "JobType"}
    field = next((name for name, attribute in named.items() if attribute == error.attribute), "")
    return said.fault("schema", f"{field or error.attribute} {error.reason}", field)
