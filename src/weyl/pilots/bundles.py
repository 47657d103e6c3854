"""What is sent to nodes without a network and what comes back from them: pure."""

import bz2
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from weyl.jobs.models.heartbeat import HeartbeatData
from weyl.jobs.models.outputs import MANIFEST_BYTES_MAX
from weyl.jobs.reports import OLDEST
from weyl.kit import json
from weyl.pilots.compute_elements.driver import CEStatus
from weyl_pilot.work import is_logical

BUNDLE, REPORTS, HEARTBEAT, OUTPUT = "bundle.json", "reports.jsonl", "heartbeat.json", "output.tar.bz2"
WORKFLOW, INPUT_OBJECT, MANIFEST = "workflow.tar", "inputs.json", "manifest.json"
OUTPUT_DATA, LISTING = "output-data.tar", "outputs.json"
"""The names by which the program on the node knows its files."""

WALL_MARGIN_S = 900
MEMORY_MARGIN_MB = 256
HEADERS_BYTES_MAX = 1 << 16
UPLOADING, STORING, PENDING = "Uploading Output Sandbox", "Uploading Outputs", "Pending Requests"
FINAL = frozenset({"Done", "Failed", "Completed"})
SOURCE = "JobWrapper"


class Demand(NamedTuple):
    """What one job asks of its computing element; jobs that ask for the same are sent together."""

    cores: int
    memory_mb: int | None
    wall_s: int
    scratch_mb: int | None
    gpus: int = 0
    inputs: tuple[str, ...] = ()
    workflow: str | None = None
    """The bundle of the workflow that they run."""
    archives: tuple[str, ...] = ()
    """Digests of the files of the commands around them."""
    has_data: bool = False
    """Whether files of the catalogue travel with them."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What a job has reported: states by time, parameters, and how many lines that were."""

    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    lines: int = 0

    @property
    def is_good(self) -> bool:
        """Whether the job says that it is Done."""
        return any(state.get("Status") == "Done" for state in self.states.values())

    @property
    def is_finished(self) -> bool:
        """Whether a final state is among the reports."""
        return any(state.get("Status") in FINAL for state in self.states.values())

    def before_upload(self) -> "Journal":
        """Return the states that hold whatever becomes of the outputs; parameters come with the rest."""
        carried = (STORING, UPLOADING)
        at = next((at for at, state in sorted(self.states.items()) if state.get("MinorStatus") in carried), None)
        final = next((at for at, state in sorted(self.states.items()) if state.get("Status") in FINAL), None)
        limit = min((time for time in (at, final) if time is not None), default="9")
        return Journal({at: state for at, state in self.states.items() if at < limit}, {}, self.lines)

    def after(self, until: datetime | None) -> "Journal":
        """Return the states that are later than what has been told: a wrapper's times only rise."""
        if until is None:
            return self
        return Journal(
            {at: state for at, state in self.states.items() if at > wire(until)}, self.parameters, self.lines
        )

    @property
    def last(self) -> str | None:
        """The time of the latest state."""
        return max(self.states, default=None)


def job_stamp(pilot: str, number: int) -> str:
    """Return the stamp of the n-th job of a pilot that the worker plays: its name on the computing element."""
    return hashlib.sha256(f"{pilot}/{number}".encode()).hexdigest()[:32]


def demand_of(job: Mapping[str, Any], *, memory_mb: int | None, wall_s: int) -> Demand:
    """Return what a matched job asks of a computing element whose queue gives so much."""
    allocated, limits = job.get("allocated") or {}, job.get("limits") or {}
    work = job.get("work") or {}
    limit_mb = limits.get("ram_mb")
    asked_mb = None if limit_mb is None else limit_mb + MEMORY_MARGIN_MB
    known = [mb for mb in (asked_mb, memory_mb) if mb is not None]
    return Demand(
        cores=allocated.get("cores") or 1,
        memory_mb=min(known, default=None),
        wall_s=min(wall_s, (limits.get("wall_s") or wall_s) + WALL_MARGIN_S),
        scratch_mb=allocated.get("scratch_mb") or None,
        gpus=allocated.get("gpus") or 0,
        inputs=tuple(pfn for pfn in work.get("input_sandbox") or () if "/S3/" in pfn and not is_logical(pfn)),
        workflow=(work.get("workflow") or {}).get("bundle"),
        archives=tuple(sorted({command["archive"]["sha256"] for command in work.get("commands") or ()})),
        has_data=bool(work.get("wants_inputs")),
    )


def runs_workflow(job: Mapping[str, Any]) -> bool:
    """Tell whether a matched job runs a workflow, and not a program."""
    return bool((job.get("work") or {}).get("workflow"))


def wants_outputs(job: Mapping[str, Any]) -> bool:
    """Tell whether a matched job is done only when its output data are registered."""
    work = job.get("work") or {}
    return bool(work.get("output_data")) and bool(work.get("wants_outputs", True))


def bundle_of(
    job: Mapping[str, Any],
    *,
    stamp: str,
    inputs: Sequence[str],
    options: Mapping[str, Any],
    data: Mapping[str, Mapping[str, Any]],
) -> bytes:
    """Return the document by which a node runs a job; `data` says in which file each of the catalogue's travels."""
    said = {"stamp": stamp, "job": dict(job), "inputs": list(inputs), "options": dict(options)}
    return json.dumps(said | ({"data": dict(data)} if data else {}))


def read_journal(content: bytes | None, *, shift_s: float = 0.0) -> Journal:
    """Read reports as far as whole lines have been written; what is no report is passed over.

    The file is the node's, and a payload may have written it: a time is one that the server would take, or no time.
    """
    states: dict[str, dict[str, str]] = {}
    parameters: dict[str, Any] = {}
    whole, _, _ = (content or b"").rpartition(b"\n")
    lines = whole.splitlines()
    for line in lines:
        try:
            document = json.loads(line)
            for at, state in (document.get("status") or {}).items():
                states[_shifted(at, shift_s)] = {str(name): str(value)[:255] for name, value in state.items()}
            parameters.update(document.get("parameters") or {})
        except (ValueError, AttributeError, TypeError, OverflowError):
            continue
    return Journal(states, parameters, len(lines))


def manifest_in(output: bytes) -> dict[str, Any] | None:
    """Return what a workflow has put out, as the wrapper tells it at the beginning of the packed output.

    The archive is the node's: no more of it is unpacked than a manifest may have. None if it does not begin with one.
    """
    try:
        head = bz2.BZ2Decompressor().decompress(output, max_length=MANIFEST_BYTES_MAX + HEADERS_BYTES_MAX)
        with tarfile.open(fileobj=io.BytesIO(head), mode="r|") as archive:
            entry = archive.next()
            if entry is None or entry.name != MANIFEST or not entry.isfile() or entry.size > MANIFEST_BYTES_MAX:
                return None
            stream = archive.extractfile(entry)
            found = json.loads(stream.read()) if stream is not None else None
    except (OSError, tarfile.TarError, ValueError, EOFError):
        return None
    return found if isinstance(found, dict) else None


def read_sample(content: bytes | None) -> dict[str, Any]:
    """Return what the wrapper measured last, as the server takes it; a sign of life without figures if it does not."""
    try:
        data = HeartbeatData.model_validate(json.loads(content)["sample"]) if content else HeartbeatData()
    except (ValueError, KeyError, TypeError):
        return {}
    return data.model_dump(by_alias=True, exclude_none=True)


def shift_of(journal: Journal, *, sent_at: datetime, now: datetime) -> float | None:
    """Return by how many seconds the clock of a node is behind ours: it cannot have started before it was sent."""
    if not journal.states:
        return None
    times = sorted(datetime.fromisoformat(at) for at in journal.states)
    if times[0] < sent_at:
        return (sent_at - times[0]).total_seconds()
    return min(0.0, (now - times[-1]).total_seconds())


def lost(status: CEStatus, *, now: datetime) -> dict[str, dict[str, str]]:
    """Return the report of a job that is over on its computing element and has left none of its own."""
    detail = status.detail or status.state.value
    word = detail.upper()
    minor, error_class = "Job stalled: pilot not running", "pilot"
    if "OUT_OF_MEMORY" in word or "OOM" in word:
        minor, error_class = "Job has exceeded its memory limit", "memory"
    elif "TIMEOUT" in word or "DEADLINE" in word:
        minor, error_class = "Job has exceeded maximum wall clock time", "time"
    return _failed(minor, f"Its computing element says: {detail}", error_class, now)


def upload_failed(journal: Journal, reason: str, *, now: datetime, minor: str = UPLOADING) -> dict[str, dict[str, str]]:
    """Return the last report of a job whose output could not be stored: what failed before stays as it was."""
    ends = {at: state for at, state in journal.states.items() if state.get("Status") in FINAL}
    if any(state.get("Status") == "Failed" for state in ends.values()):
        return {at: dict(state) for at, state in ends.items()}
    return _failed(minor, reason, "output_upload", now)


def still_verified(states: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return states in which a job is not Done but Completed: its output data are still compared."""
    completed = {"Status": "Completed", "MinorStatus": PENDING}
    return {at: {**state, **completed} if state.get("Status") == "Done" else state for at, state in states.items()}


def input_failed(reason: str, *, now: datetime, of_data: bool = False) -> dict[str, dict[str, str]]:
    """Return the report of a job whose input could not be had."""
    if of_data:
        return _failed("Input Data Not Available", reason, "input_data", now)
    return _failed("Failed Downloading InputSandbox", reason, "site", now)


def queued(word: str, *, now: datetime) -> dict[str, dict[str, str]]:
    """Return the report of a job that waits in its batch system; it also says that the job is not forgotten."""
    text = f"Queued at the computing element{': ' + word if word else ''}"
    return {wire(now): {"Source": SOURCE, "ApplicationStatus": text[:255]}}


def _failed(minor: str, text: str, error_class: str, now: datetime) -> dict[str, dict[str, str]]:
    state = {"Status": "Failed", "MinorStatus": minor, "ApplicationStatus": text[:255], "ErrorClass": error_class}
    return {wire(now): {"Source": SOURCE, **state}}


def wire(at: datetime) -> str:
    """Return a time as reports carry it."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _shifted(at: str, shift_s: float) -> str:
    """Return a time of the node as one of ours; raises `ValueError` or `OverflowError` for what is no time."""
    time = datetime.fromisoformat(at)
    if time.tzinfo is None or time < OLDEST:
        raise ValueError(f"{at} is no time of a report")
    return wire(time.astimezone(UTC) + timedelta(seconds=shift_s))
