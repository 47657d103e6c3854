"""What ARC is told and what it says: activity descriptions in ADL, and the states of its REST interface. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from weyl.pilots.compute_elements.driver import (
    STAMP_VARIABLE,
    CEState,
    CEStatus,
    Copy,
    DriverError,
    PilotSpec,
    job_name,
)

NAMESPACE = "http://www.eu-emi.eu/es/2010/12/adl"
MIB = 1024 * 1024

STATES = {
    **dict.fromkeys(("ACCEPTING", "ACCEPTED", "PREPARING", "PREPARED", "SUBMITTING", "QUEUING"), CEState.WAITING),
    **dict.fromkeys(("RUNNING", "HELD", "EXITINGLRMS", "OTHER", "EXECUTED", "FINISHING"), CEState.RUNNING),
    "FINISHED": CEState.DONE,
    "FAILED": CEState.FAILED,
    **dict.fromkeys(("KILLING", "KILLED", "WIPED"), CEState.DELETED),
}


def describe(spec: PilotSpec, copies: Sequence[Copy], *, runtime_environments: Sequence[str] = ()) -> bytes:
    """Return one document that asks for every copy."""
    activities = "".join(_activity(spec, copy, runtime_environments) for copy in copies)
    return f"<ActivityDescriptions>{activities}</ActivityDescriptions>".encode()


def state(word: object, detail: str = "") -> CEStatus:
    """Return what a word of ARC means; one that is not among its words is nothing that we know."""
    found = STATES.get(word) if isinstance(word, str) else None
    if found is None:
        return CEStatus(CEState.UNKNOWN, f"ARC says {str(word)[:80]!r}")
    return CEStatus(found, detail or str(word))


def entries(document: object, *, wanted: str = "job") -> list[Mapping[str, Any]]:
    """Return the list in a document of ARC, which is an object where there is only one."""
    found = document.get(wanted) if isinstance(document, dict) else None
    found = found if isinstance(found, list) else [found]
    return [entry for entry in found if isinstance(entry, dict)]


def activity_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `info` says of a job."""
    document = entry.get("info_document")
    activity = document.get("ComputingActivity") if isinstance(document, dict) else None
    return activity if isinstance(activity, dict) else {}


def text_of(value: object) -> str:
    """Return a value of ARC as text; of several the first."""
    first = value[0] if isinstance(value, list) and value else value
    return "" if first is None or isinstance(first, list | dict) else str(first)


def number_of(value: object) -> int | None:
    """Return a value of ARC as a number, which it writes as text."""
    text = text_of(value).strip()
    return int(text) if text.lstrip("-").isdecimal() else None


def title_of(description: str) -> str:
    """Return the name in a description of ours."""
    found = re.search(r"<ActivityIdentification>\s*<Name>([^<]*)</Name>", description)
    return found[1] if found else ""


def _activity(spec: PilotSpec, copy: Copy, runtime_environments: Sequence[str]) -> str:
    if not all(map(_is_text, (*spec.arguments, *spec.environment.values(), *copy.secrets, *spec.inputs))):
        raise DriverError("XML, in which ARC is spoken to, takes no control characters in arguments or names")
    executable = spec.executable.removeprefix("./")
    arguments = "".join(_tag("Argument", argument) for argument in spec.arguments)
    environment = {**spec.environment, **copy.environment, STAMP_VARIABLE: copy.stamp}
    variables = "".join(
        f"<Environment>{_tag('Name', name)}{_tag('Value', value)}</Environment>" for name, value in environment.items()
    )
    return (
        f'<ActivityDescription xmlns="{NAMESPACE}">'
        f"<ActivityIdentification>{_tag('Name', job_name(copy.stamp, spec.name))}</ActivityIdentification>"
        f"<Application><Executable>{_tag('Path', executable)}{arguments}</Executable>"
        f"{_tag('Output', spec.stdout)}{_tag('Error', spec.stderr)}{variables}</Application>"
        f"<Resources>{_resources(spec, runtime_environments)}</Resources>"
        f"<DataStaging>{_staging(spec, copy)}</DataStaging>"
        "</ActivityDescription>"
    )


def _resources(spec: PilotSpec, runtime_environments: Sequence[str]) -> str:
    slots = _tag("NumberOfSlots", spec.cores)
    return "".join(
        [
            *(f"<RuntimeEnvironment>{_tag('Name', name)}</RuntimeEnvironment>" for name in runtime_environments),
            # ARC counts memory for each slot, and processor time over all of them.
            _tag("IndividualPhysicalMemory", spec.memory_mb * MIB // spec.cores) if spec.memory_mb else "",
            _tag("DiskSpaceRequirement", spec.scratch_mb * MIB) if spec.scratch_mb else "",
            _tag("TotalCPUTime", spec.wall_s * spec.cores) if spec.wall_s else "",
            _tag("WallTime", spec.wall_s) if spec.wall_s else "",
            f"<SlotRequirement>{slots}<SlotsPerHost>{spec.cores}</SlotsPerHost></SlotRequirement>",
            _tag("QueueName", spec.queue) if spec.queue else "",
        ]
    )


def _staging(spec: PilotSpec, copy: Copy) -> str:
    inputs = "".join(
        f"<InputFile>{_tag('Name', name)}"
        f"{_tag('IsExecutable', 'true') if spec.executable == f'./{name}' else ''}</InputFile>"
        for name in (*spec.inputs, *copy.secrets)
    )
    outputs = "".join(
        f"<OutputFile>{_tag('Name', name)}</OutputFile>" for name in (spec.stdout, spec.stderr, *spec.outputs)
    )
    return inputs + outputs


def _tag(name: str, value: object) -> str:
    return f"<{name}>{escape(str(value))}</{name}>"


def _is_text(value: str) -> bool:
    return value.isprintable() or all(letter.isprintable() or letter in "\t\n" for letter in value)
