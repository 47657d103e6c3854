"""The description of one job as a typed value: what its attributes say is read here, once, and by nobody else."""

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

from weyl.descriptions.attributes import boolean_of, integer_of, text_of, texts_of
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document, Value
from weyl.descriptions.output_data import metadata_of
from weyl.task_queues.validation import COUNT_MAX, RAM_MB_MAX

ALTERNATIVES_MAX = 8
SAID_IN_REQUIREMENTS = (
    "CPUTime",
    "GridCE",
    "MaxNumberOfProcessors",
    "MaxRAM",
    "MinNumberOfProcessors",
    "MinRAM",
    "NumberOfProcessors",
    "Platform",
    "Tags",
    "WholeNode",
)
"""What a description with `Requirements` says there, and nowhere else."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose jobs they are."""

    vo: str
    group: str
    name: str


class Binding(NamedTuple):
    """Where the files of one output of a workflow go: a directory, and the storage elements to try, if it says so."""

    source: str
    path: str | None = None
    ses: tuple[str, ...] = ()
    is_required: bool = False
    """It is a file, never null."""


class Workflow(NamedTuple):
    """The document that a job runs in place of an executable: a stored bundle, and which process of it."""

    bundle: str
    fragment: str | None
    bindings: tuple[Binding, ...] = ()
    """Of outputs that are to be output data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What one job is asked to be, its placeholders filled; what a document leaves out is as the defaults say."""

    # What runs.
    executable: str | None = None
    workflow: Workflow | None = None
    arguments: str = ""
    std_output: str = "std.out"
    std_error: str = "std.err"
    environment: Mapping[str, str] = field(default_factory=dict)
    log_level: str = "INFO"
    stop_signal: int | None = None
    stop_signal_start_s: int = 300
    stop_signal_finish_s: int = 60
    stop_signal_regex: str = ""
    # What it reads and what it leaves.
    input_sandbox: tuple[str, ...] = ()
    input_data: tuple[str, ...] = ()
    output_sandbox: tuple[str, ...] | None = None
    """None: standard output and error."""
    output_data: tuple[str, ...] = ()
    """Files, patterns and `LFN:` items; of a job that runs a workflow the ids of outputs."""
    output_metadata: Mapping[str, Any] = field(default_factory=dict)
    output_se: tuple[str, ...] = ()
    output_path: str = ""
    # What it is called, and whose it is.
    job_name: str | None = None
    job_type: str | None = None
    job_group: str | None = None
    vo: str = ""
    owner: str = ""
    owner_group: str = ""
    transformation_id: str | None = None
    job_path: str | None = None
    # Where it may run, and when.
    priority: int | None = None
    cpu_time_s: int | None = None
    sites: tuple[str, ...] = ()
    banned_sites: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cores: int | None = None
    cores_min: int | None = None
    cores_max: int | None = None
    whole_node: bool = False
    ram_mb_min: int | None = None
    ram_mb_max: int | None = None
    requirements: tuple[Mapping[str, Any], ...] | None = None
    """The alternatives of `Requirements`; None if there are none, or the expression of old JDL."""
    extra: Mapping[str, Value] = field(default_factory=dict)
    """Every other attribute as it was given: those of extensions, and those that mean nothing here."""

    @classmethod
    def read(cls, document: Mapping[str, Value], *, only: Container[str] | None = None) -> "Description":
        """Read a document without placeholders, or the attributes `only` of it; raises `BadAttribute`."""
        fields: dict[str, Any] = {}
        extra: Document = {}
        for name, value in document.items():
            if only is not None and name not in only:
                continue
            known = FIELDS.get(name)
            if known is None:
                extra[name] = value
                continue
            field_name, read = known
            found = read(value, name)
            if found is not None:
                fields[field_name] = found
        if "executable" in fields:
            fields.pop("workflow", None)
        if "requirements" in fields:
            for name in SAID_IN_REQUIREMENTS:
                if document.get(name) is not None:
                    raise BadAttribute(name, "is part of Requirements: say it there")
        return cls(**fields, extra=extra)


class Field(NamedTuple):
    """Where an attribute stands in a `Description`, and how it is read there; None leaves the default."""

    field: str
    read: Callable[[Value, str], Any]


def value_of(value: Value, name: str) -> Any:
    """Return what a `Description` holds for the value of an attribute that means something here."""
    found = FIELDS[name].read(value, name)
    return _DEFAULTS[name] if found is None else found


def environment_of(value: Value, name: str) -> dict[str, str]:
    """Return the variables of ExecutionEnvironment: `NAME=value` items, percent-encoded by DIRAC's client."""
    items = value.split(";") if isinstance(value, str) else texts_of(value, name)
    variables: dict[str, str] = {}
    for item in items:
        variable, equals, content = item.strip().partition("=")
        if equals and _VARIABLE.fullmatch(variable.strip()):
            variables[variable.strip()] = unquote(content)
    return variables


def _arguments(value: Value, name: str) -> str | None:
    """One text, which the wrapper splits as a shell would; a list is its items with blanks between them."""
    return " ".join(texts_of(value, name)) if isinstance(value, list) else text_of(value, name)


def _pattern(value: Value, name: str) -> str | None:
    """Return the pattern; none for a list or a record, which submission refuses if a signal needs the pattern."""
    return None if isinstance(value, list | dict) else text_of(value, name)


def _alternatives(value: Value, name: str) -> tuple[Mapping[str, Any], ...] | None:
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, list):
        return None
    documents = tuple(each for each in value if isinstance(each, dict))
    if not 2 <= len(value) <= ALTERNATIVES_MAX or len(documents) < len(value):
        raise BadAttribute(name, f"must be a document, or a list of 2 to {ALTERNATIVES_MAX} of them")
    return documents


def _workflow(value: Value, name: str) -> Workflow | None:
    """Return the workflow; none where older texts say something else under this name."""
    if not isinstance(value, dict) or not isinstance(bundle := value.get("Bundle"), str):
        return None
    bound = value.get("Outputs")
    bindings = tuple(_binding(each, name) for each in bound) if isinstance(bound, list) else ()
    return Workflow(bundle, text_of(value.get("Fragment"), name), bindings)


def _binding(value: Value, name: str) -> Binding:
    if not isinstance(value, dict) or (source := text_of(value.get("Source"), name)) is None:
        raise BadAttribute(name, "each of its Outputs must be a record with a Source")
    is_required = value.get("Required") is True
    return Binding(source, text_of(value.get("Path"), name), texts_of(value.get("SE"), name), is_required)


_any_number = partial(integer_of, least=-(10**12))
_count = partial(integer_of, least=1, most=COUNT_MAX)
_memory_mb = partial(integer_of, most=RAM_MB_MAX)

FIELDS: Mapping[str, Field] = {
    "Arguments": Field("arguments", _arguments),
    "BannedSites": Field("banned_sites", texts_of),
    "CPUTime": Field("cpu_time_s", _any_number),
    "Executable": Field("executable", text_of),
    "ExecutionEnvironment": Field("environment", environment_of),
    "GridCE": Field("elements", texts_of),
    "InputData": Field("input_data", texts_of),
    "InputSandbox": Field("input_sandbox", texts_of),
    "JobGroup": Field("job_group", text_of),
    "JobName": Field("job_name", text_of),
    "JobPath": Field("job_path", text_of),
    "JobType": Field("job_type", text_of),
    "LogLevel": Field("log_level", text_of),
    "MaxNumberOfProcessors": Field("cores_max", _count),
    "MaxRAM": Field("ram_mb_max", _memory_mb),
    "MinNumberOfProcessors": Field("cores_min", _count),
    "MinRAM": Field("ram_mb_min", _memory_mb),
    "NumberOfProcessors": Field("cores", _count),
    "OutputData": Field("output_data", texts_of),
    "OutputMetadata": Field("output_metadata", metadata_of),
    "OutputPath": Field("output_path", text_of),
    "OutputSE": Field("output_se", texts_of),
    "OutputSandbox": Field("output_sandbox", texts_of),
    "Owner": Field("owner", text_of),
    "OwnerGroup": Field("owner_group", text_of),
    "Platform": Field("platforms", texts_of),
    "Priority": Field("priority", _any_number),
    "Requirements": Field("requirements", _alternatives),
    "Site": Field("sites", texts_of),
    "StdError": Field("std_error", text_of),
    "StdOutput": Field("std_output", text_of),
    "StopSigFinishSeconds": Field("stop_signal_finish_s", integer_of),
    "StopSigNumber": Field("stop_signal", integer_of),
    "StopSigRegex": Field("stop_signal_regex", _pattern),
    "StopSigStartSeconds": Field("stop_signal_start_s", integer_of),
    "Tags": Field("tags", texts_of),
    "TransformationID": Field("transformation_id", text_of),
    "VirtualOrganization": Field("vo", text_of),
    "WholeNode": Field("whole_node", boolean_of),
    "Workflow": Field("workflow", _workflow),
}
"""Every attribute that means something here; none of them is in `extra`."""

_NOTHING_SAID = Description()
_DEFAULTS = {name: getattr(_NOTHING_SAID, known.field) for name, known in FIELDS.items()}
