"""The work document of a matched job, and the command line, environment and files that it means."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
LFN = "LFN:"


@dataclass(frozen=True)
class WorkflowWork:
    """A process of a CWL bundle, which the engine runs in place of an executable."""

    bundle: str
    fragment: Optional[str] = None


@dataclass(frozen=True)
class CommandWork:
    """A command of the community, run before or after the payload; its files are an archive known by its hash."""

    name: str
    stage: str
    words: Tuple[str, ...]
    sha256: str
    size: int
    is_always: bool = False
    """Whether it runs after a failure too."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> CommandWork:
        """Reads one entry of the work document."""
        archive = document["archive"]
        return cls(
            name=str(document["name"]),
            stage=str(document["stage"]),
            words=tuple(str(word) for word in document["command"]),
            sha256=str(archive["sha256"]),
            size=int(archive["size"]),
            is_always=bool(document.get("always")),
        )


@dataclass(frozen=True)
class Work:
    """What a job wants to have run; the limits are those of its allocation."""

    job_id: int
    executable: str
    arguments: str = ""
    std_output: str = "std.out"
    std_error: str = "std.err"
    input_sandbox: Tuple[str, ...] = ()
    output_sandbox: Tuple[str, ...] = ()
    input_data: Tuple[str, ...] = ()
    """Logical files that may be brought before the payload starts."""
    output_data: Tuple[str, ...] = ()
    """Names, patterns and logical files, of a workflow names of its outputs: without them registered it is not Done."""
    environment: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    cores: int = 1
    ram_mb: int = 0
    ram_limit_mb: int = 0
    scratch_mb: int = 0
    gpus: int = 0
    wall_s: int = 0
    stop_signal: int = signal.SIGTERM
    """What a payload gets when its time is over; for any other reason it is SIGTERM."""
    stop_grace_s: float = 10.0
    token: Optional[str] = None
    workflow: Optional[WorkflowWork] = None
    """What runs in place of the executable."""
    commands: Tuple[CommandWork, ...] = ()

    @classmethod
    def from_match(cls, job: Mapping[str, Any]) -> Work:
        """Reads one job of a match answer; absent and null mean the default."""
        document = job.get("work") or {}
        allocated, limits = job.get("allocated") or {}, job.get("limits") or {}
        stop = document.get("stop_signal") or {}
        arguments = document.get("arguments") or ""
        workflow = document.get("workflow")
        return cls(
            job_id=int(job["job_id"]),
            executable=str(document.get("executable") or ""),
            arguments=arguments if isinstance(arguments, str) else " ".join(shlex.quote(str(a)) for a in arguments),
            std_output=str(document.get("std_output") or "std.out"),
            std_error=str(document.get("std_error") or "std.err"),
            input_sandbox=tuple(name for name in document.get("input_sandbox") or () if not is_logical(str(name))),
            output_sandbox=tuple(document.get("output_sandbox") or ()),
            input_data=_input_data(document) if document.get("wants_inputs") else (),
            output_data=_output_data(document),
            environment={str(k): str(v) for k, v in (document.get("environment") or {}).items()},
            owner=str(document.get("owner") or ""),
            cores=max(1, int(allocated.get("cores") or 1)),
            ram_mb=int(allocated.get("ram_mb") or 0),
            ram_limit_mb=int(limits.get("ram_mb") or 0),
            scratch_mb=int(allocated.get("scratch_mb") or 0),
            gpus=int(allocated.get("gpus") or 0),
            wall_s=int(limits.get("wall_s") or 0),
            stop_signal=int(stop.get("number") or signal.SIGTERM),
            stop_grace_s=float(stop.get("finish_seconds") or 10),
            token=job.get("token") or None,
            workflow=WorkflowWork(str(workflow["bundle"]), workflow.get("fragment") or None) if workflow else None,
            commands=tuple(CommandWork.from_document(command) for command in document.get("commands") or ()),
        )


def _input_data(document: Mapping[str, Any]) -> Tuple[str, ...]:
    """The logical names of the input data, and those among the input sandboxes, each once."""
    named = [str(name) for name in document.get("input_data") or ()]
    named += [str(name) for name in document.get("input_sandbox") or () if is_logical(str(name))]
    return tuple(dict.fromkeys(logical_name(name) for name in named))


def _output_data(document: Mapping[str, Any]) -> Tuple[str, ...]:
    listed = tuple(str(item) for item in document.get("output_data") or ())
    return listed if document.get("wants_outputs", bool(listed)) else ()


def is_logical(name: str) -> bool:
    """Whether something is said to be a file of the catalogue."""
    return name[: len(LFN)].upper() == LFN


def logical_name(name: str) -> str:
    """The name of a file in the catalogue, without what says that it is one."""
    return name[len(LFN) :] if is_logical(name) else name


class ApplicationNotFound(Exception):
    """The executable is neither among the job's files nor a program of this machine."""


def resolve_command(work: Work, directory: Path, *, inside: str, path: str) -> List[str]:
    """Finds the executable among the job's files, which makes it executable, or in PATH.

    `inside` is what the job's directory is called where the payload runs.
    """
    name = work.executable
    own = Path(os.path.normpath(str(directory / name)))
    is_own = not os.path.isabs(name) and str(own).startswith(str(directory) + os.sep) and own.is_file()
    if is_own:
        own.chmod(own.stat().st_mode | stat.S_IXUSR | stat.S_IRUSR)
        place = inside + "/" + str(own.relative_to(directory))
        return [*_interpreter(own), place, *split_arguments(work.arguments)]
    found = name if os.path.isabs(name) and os.access(name, os.X_OK) else None
    if found is None and name and "/" not in name:
        found = shutil.which(name, path=path)
    if found is None:
        raise ApplicationNotFound(name or "(no executable)")
    return [found, *split_arguments(work.arguments)]


def _interpreter(program: Path) -> List[str]:
    """What runs a text without a first line that says so: what its name promises, else the shell."""
    with open(str(program), "rb") as stream:
        head = stream.read(4)
    if head.startswith(b"#!") or head == b"\x7fELF":
        return []
    return ["python3"] if program.suffix == ".py" else ["/bin/sh"]


def split_arguments(text: str) -> List[str]:
    """Splits as a shell does, without expanding anything; unbalanced quotes are taken as ordinary characters."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def payload_environment(work: Work, *, queue: Mapping[str, str], facts: Mapping[str, str]) -> Dict[str, str]:
    """A clean environment: nothing of the pilot's own, then the queue's, then the job's, then the facts."""
    environment = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "USER": "weyl", "LOGNAME": "weyl"}
    environment.update(queue)
    environment.update(work.environment)
    environment.update(facts)
    cores = str(work.cores)
    environment.update({"WEYL_JOB_ID": str(work.job_id), "JOBID": str(work.job_id), "WEYL_CORES": cores})
    environment.setdefault("OMP_NUM_THREADS", cores)
    return environment


def safe_file_name(name: str, default: str) -> str:
    """Name of a standard stream's file inside the job's directory, whatever the job asked for."""
    clean = os.path.normpath(name)
    return default if os.path.isabs(clean) or clean in (".", "..") or clean.startswith("../") else clean
