"""From what the user typed to job descriptions: texts in JDL, a command line, options that change both."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weyl.client.errors import UsageFault
from weyl.descriptions import jdl
from weyl.descriptions.attributes import canonical, texts_of
from weyl.descriptions.jdl import Document, Value
from weyl.descriptions.parametric import expand
from weyl.kit.errors import BadRequest

JOBS_MAX = 100_000
PLACEHOLDER = re.compile(r"%(\(\w+\))?[snj]")
REMOTE = ("SB:", "LFN:", "lfn:", "http://", "https://", "root://")


@dataclass(frozen=True, slots=True)
class Changes:
    """What the options of `submit` say about every job."""

    name: str | None = None
    job_group: str | None = None
    sites: Sequence[str] = ()
    cores: int | None = None
    memory_mb: int | None = None
    parameters: Sequence[str] = ()
    copies: int | None = None

    def are_empty(self) -> bool:
        """Say whether nothing is to be changed."""
        return self == Changes()


@dataclass(frozen=True, slots=True)
class Description:
    """One description on its way: its attributes, and the local files that have to travel with it."""

    origin: str
    document: Document
    # The text as it was given; sent as it is when nothing in it has to change.
    text: str | None = None
    files: Sequence[Path] = field(default_factory=tuple)
    # What stays in InputSandbox when the files have become a sandbox.
    remote: Sequence[str] = field(default_factory=tuple)

    def count(self) -> int:
        """Return how many jobs this will be; raises UsageFault if its parameters make no sense."""
        try:
            expansion = expand(self.document, jobs_max=JOBS_MAX)
        except BadRequest as error:
            raise UsageFault(f"{self.origin}: {error.detail}", hint="Nothing was submitted.") from error
        return 1 if expansion is None else expansion.count

    def render(self, sandbox: str | None) -> str:
        """Return the description to submit, with the sandbox that its files have become."""
        if self.text is not None and sandbox is None:
            return self.text
        document = dict(self.document)
        if sandbox is not None:
            document["InputSandbox"] = [sandbox, *self.remote]
        return jdl.render(document)


def from_jdl(text: str, *, origin: str, directory: Path, changes: Changes) -> Description:
    """Read one description; files of InputSandbox are looked for in `directory`."""
    if "cwlVersion" in text[:2000]:
        raise UsageFault(f"{origin} looks like CWL.", hint="Submit it from a file, alone: weyl jobs submit cwl FILE")
    if text.lstrip().startswith("{"):
        raise UsageFault(f"{origin} looks like JSON, which this version does not submit.", hint="Write it as JDL.")
    try:
        document = jdl.parse(text)
    except BadRequest as error:
        raise UsageFault(f"{origin}: {error.detail}", hint="Nothing was submitted.") from error
    if not document.get("Executable"):
        raise UsageFault(f"{origin}: Executable is missing.", hint='Add a line such as Executable = "/bin/echo";')
    names = texts_of(document.get("InputSandbox"), "InputSandbox")
    files, remote = _local_files(names, origin=origin, directory=directory)
    changed = apply(document, changes)
    return Description(origin, changed, text if changes.are_empty() else None, files, remote)


def from_command(command: Sequence[str], *, sandbox: Sequence[str], changes: Changes, directory: Path) -> Description:
    """Make a description of a command line; a local program, named by a path, travels along."""
    if not command:
        raise UsageFault("There is no command to run.", hint="As: weyl jobs submit cmd -- /bin/echo hello")
    program, *arguments = command
    remote = [name for name in sandbox if name.startswith(REMOTE)]
    files = [directory / name for name in sandbox if not name.startswith(REMOTE)]
    local = directory / program
    if not Path(program).is_absolute() and local.is_file():
        files.append(local)
        program = local.name
    elif "/" in program and not Path(program).is_absolute() and not sandbox:
        # With a sandbox it may be one of the files in it.
        raise UsageFault(
            f"There is no file {program} here that could travel along.",
            hint="A program of the node is called by its name alone, or by its absolute path.",
        )
    for path in files:
        if not path.exists():
            raise UsageFault(f"{path} does not exist.", hint="--sandbox takes files and directories.")
    document: Document = {"Executable": program}
    if arguments:
        document["Arguments"] = shlex.join(arguments)
    document |= {"StdOutput": "std.out", "StdError": "std.err", "OutputSandbox": ["std.out", "std.err"]}
    if remote:
        document["InputSandbox"] = list(remote)
    document["JobName"] = Path(program).name
    return Description("the command", apply(document, changes), None, list(dict.fromkeys(files)), remote)


def apply(document: Document, changes: Changes) -> Document:
    """Return the description with what the options say."""
    given: dict[str, Value] = {
        "JobName": changes.name,
        "JobGroup": changes.job_group,
        "Site": list(changes.sites) or None,
        "NumberOfProcessors": changes.cores,
        "MaxRAM": changes.memory_mb,
    }
    changed = {canonical(name): value for name, value in document.items()}
    changed |= {name: value for name, value in given.items() if value is not None}
    for text in changes.parameters:
        changed |= parameter(text)
    if changes.copies is not None:
        changed |= {"Parameters": changes.copies}
    return changed


def parameter(text: str) -> Document:
    """Read `k=1..20`, `k=a,b,c`, or values as JSON, into the attributes of a parametric description."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise _parameter_fault(text)
    first, dots, last = value.partition("..")
    if dots:
        try:
            start, end = int(first), int(last)
        except ValueError as error:
            raise _parameter_fault(text) from error
        step = 1 if end >= start else -1
        series = {"Parameters": abs(end - start) + 1, "ParameterStart": start, "ParameterStep": step}
        return {f"{family}.{name}": number for family, number in series.items()}
    return {f"Parameters.{name}": _values(text, value)}


def _values(text: str, value: str) -> list[Value]:
    if not value.startswith("["):
        return [_number(word) for word in value.split(",")]
    try:
        values = json.loads(value)
    except ValueError as error:
        raise _parameter_fault(text) from error
    if not all(isinstance(each, (str, int, float, list)) for each in values):
        raise _parameter_fault(text)
    return list(values)


def _number(word: str) -> Value:
    for kind in (int, float):
        try:
            number: Any = kind(word)
        except ValueError:
            continue
        # `007` and `1_000` are texts to whoever wrote them.
        if str(number) == word:
            return number  # type: ignore[no-any-return]
    return word


def _parameter_fault(text: str) -> UsageFault:
    return UsageFault(
        f"--param {text!r} is not a name and its values.",
        hint="Write --param seed=1..20 or --param energy=7,8,13.6; the job uses it as %(seed)s.",
    )


def _local_files(names: Sequence[str], *, origin: str, directory: Path) -> tuple[list[Path], list[str]]:
    files: list[Path] = []
    remote: list[str] = []
    has_sandbox = any(name.startswith("SB:") for name in names)
    for name in names:
        found = [] if name.startswith(REMOTE) else _found(name, directory)
        if not found and not name.startswith(REMOTE) and "%" in name:
            # One file a value: all of them travel, and each job uses its own.
            found = _found(PLACEHOLDER.sub("*", name), directory)
        if found:
            files += found
        elif name.startswith(REMOTE) or has_sandbox:
            # A plain name may be inside the sandbox that is named beside it.
            remote.append(name)
        else:
            raise UsageFault(
                f"{origin}: InputSandbox names {name!r}, and there is no such file in {directory}.",
                hint="Correct the name, or put the file beside the description.",
            )
    return list(dict.fromkeys(files)), remote


def _found(name: str, directory: Path) -> list[Path]:
    path = directory / name
    if path.exists():
        return [path]
    if any(mark in name for mark in "*?["):
        return sorted(directory.glob(name))
    return []
