"""What HTCondor is told and what it says: submit descriptions, constraints, and the meaning of a job's ad. Pure."""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from weyl.kit import json
from weyl.pilots.compute_elements.driver import (
    STAMP_VARIABLE,
    CEState,
    CEStatus,
    Copy,
    DriverError,
    PilotSpec,
    job_name,
)

NAME, SUBMISSION = "WeylName", "WeylSubmission"
ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    NAME,
    "JobStatus",
    "HoldReason",
    "HoldReasonCode",
    "RemoveReason",
    "ExitBySignal",
    "ExitSignal",
    "ExitCode",
    "CompletionDate",
    "EnteredCurrentStatus",
    "SUBMIT_Iwd",
    "SUBMIT_Out",
    "SUBMIT_Err",
    "Out",
    "Err",
)
IDLE, RUNNING, REMOVED, COMPLETED, HELD, TRANSFERRING, SUSPENDED = range(1, 8)
SPOOLING = 16
"""Why a job is on hold whose files are still on their way."""
SPOOLING_FOR = timedelta(minutes=30)
HELD_MARK = "weyl: held: "
"""How the reason begins with which we remove what HTCondor put on hold, so that it is told from a cancelled job."""
_HANDLE = re.compile(r"([0-9]{1,9})\.([0-9]{1,9}):([A-Za-z0-9-]{1,100})", re.ASCII)
_STATES = {
    IDLE: (CEState.WAITING, "idle"),
    RUNNING: (CEState.RUNNING, "running"),
    TRANSFERRING: (CEState.RUNNING, "transferring output"),
    SUSPENDED: (CEState.RUNNING, "suspended"),
}


def handle_of(ad: Mapping[str, Any]) -> str:
    """Return the handle of a job: where it is in the queue, and its name, since numbers start anew with a new queue."""
    return f"{ad.get('ClusterId')}.{ad.get('ProcId')}:{ad.get(NAME)}"


def cluster_of(handle: str) -> int | None:
    """Return the cluster that a handle is in; None if it is no handle."""
    matched = _HANDLE.fullmatch(handle)
    return int(matched[1]) if matched else None


def among(handles: Collection[str]) -> str:
    """Return the constraint that holds for these jobs and no others."""
    found = [_HANDLE.fullmatch(handle) for handle in handles]
    parts = [(matched[1], matched[2], matched[3]) for matched in found if matched]
    clusters = ",".join(sorted({cluster for cluster, _, _ in parts}))
    names = ",".join(f'"{name}"' for _, _, name in parts)
    return f"member(ClusterId,{{{clusters}}}) && member({NAME},{{{names}}})"


def in_clusters(clusters: Iterable[int]) -> str:
    """Return the constraint that holds for pilots in these clusters."""
    return f"member(ClusterId,{{{','.join(map(str, clusters))}}}) && {NAME} isnt undefined"


def named(names: Collection[str]) -> str:
    """Return the constraint that holds for pilots with these names."""
    listed = ",".join(f'"{name}"' for name in names if re.fullmatch(r"[A-Za-z0-9-]{1,100}", name, re.ASCII))
    return f"member({NAME},{{{listed}}})"


def judge(ad: Mapping[str, Any], *, now: datetime) -> CEStatus:
    """Return what a job's ad means."""
    status = ad.get("JobStatus")
    if status == COMPLETED or (status == REMOVED and ad.get("CompletionDate")):
        return _ending(ad)
    if status == REMOVED:
        reason = str(ad.get("RemoveReason") or "removed")
        if reason.startswith(HELD_MARK):
            return CEStatus(CEState.ABORTED, reason.removeprefix(HELD_MARK))
        # The schedd itself, and not a person: by the expression that every pilot carries (see `describe`).
        return CEStatus(CEState.ABORTED if "PeriodicRemove" in reason else CEState.DELETED, reason)
    if status == HELD:
        since = ad.get("EnteredCurrentStatus")
        held_for = timedelta(seconds=now.timestamp() - since) if isinstance(since, int | float) else timedelta()
        if ad.get("HoldReasonCode") == SPOOLING and held_for < SPOOLING_FOR:
            return CEStatus(CEState.WAITING, "its files are on their way")
        return CEStatus(CEState.ABORTED, f"held: {ad.get('HoldReason') or 'HTCondor gives no reason'}")
    if isinstance(status, int) and status in _STATES:
        return CEStatus(*_STATES[status])
    return CEStatus(CEState.UNKNOWN, f"HTCondor says JobStatus {str(status)[:40]}")


def is_stuck(ad: Mapping[str, Any], status: CEStatus) -> bool:
    """Tell whether a job is on hold and will stay so."""
    return ad.get("JobStatus") == HELD and status.state is CEState.ABORTED


def _ending(ad: Mapping[str, Any]) -> CEStatus:
    if ad.get("ExitBySignal") is True:
        return CEStatus(CEState.FAILED, f"killed by signal {ad.get('ExitSignal')}")
    code = ad.get("ExitCode")
    if not isinstance(code, int):
        return CEStatus(CEState.FAILED, "ended without an exit code")
    return CEStatus(CEState.DONE if code == 0 else CEState.FAILED, f"exit code {code}")


def exit_code_of(ad: Mapping[str, Any]) -> int | None:
    """Return the exit code of a job that has ended."""
    code, signal = ad.get("ExitCode"), ad.get("ExitSignal")
    if ad.get("ExitBySignal") is True and isinstance(signal, int):
        return 128 + signal
    return code if isinstance(code, int) and ad.get("CompletionDate") else None


def describe(spec: PilotSpec, copies: Sequence[Copy], *, submission: str, extra: Mapping[str, str]) -> bytes:
    """Return the submit description of copies whose secrets have the same names and whose environment is the same.

    Seen from where it is submitted, the files of a copy are in `fetch/<name>`, and the program is in a directory whose
    name is put in for `@WORK@` there.
    """
    shipped = spec.executable.startswith("./")
    program = f"@WORK@/inputs/{spec.executable[2:]}" if shipped else spec.executable
    arguments = spec.arguments
    if not program.startswith(("/", "@")):  # a program of the node's PATH
        program, arguments = "/usr/bin/env", (spec.executable, *spec.arguments)
    inputs = [name for name in spec.inputs if spec.executable != f"./{name}"]
    environment = {**spec.environment, **copies[0].environment}
    lines = {
        "executable": program,
        "transfer_executable": "true" if shipped else "false",
        "arguments": f'"{_words(arguments)}"',
        "environment": f'"{STAMP_VARIABLE}=$(stamp) {_variables(environment)}"',
        "initialdir": "fetch/$(name)",
        "transfer_input_files": ", ".join([*inputs, *copies[0].secrets]),
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        # Nothing but stdout and stderr: a file that is named and missing would put the job on hold.
        "transfer_output_files": "",
        "output": spec.stdout,
        "error": spec.stderr,
        "log": "htcondor.log",
        "notification": "never",
        "request_cpus": str(spec.cores),
        "request_memory": f"{spec.memory_mb}" if spec.memory_mb else "",
        "request_disk": f"{spec.scratch_mb}M" if spec.scratch_mb else "",
        "request_gpus": f"{spec.gpus}" if spec.gpus else "",
        "allowed_job_duration": f"{spec.wall_s}" if spec.wall_s else "",
        "container_image": spec.container or "",
        # HTCondor would start it again on another node when its own is lost, but its secret is good once.
        "periodic_remove": "JobStatus == 1 && NumJobStarts > 0",
        f"My.{NAME}": '"$(name)"',
        f"My.{SUBMISSION}": f'"{submission}"',
        "weyl_queue": spec.queue or "",
        **extra,
    }
    kept_empty = ("transfer_output_files",)
    text = "".join(f"{key} = {value}\n" for key, value in lines.items() if value or key in kept_empty)
    items = "".join(f"{copy.stamp} {job_name(copy.stamp, spec.name)}\n" for copy in copies)
    return f"{text}queue stamp, name from (\n{items})\n".encode()


def is_sci_token(token: str) -> bool:
    """Tell a token of an issuer with public keys from one that the pool itself has signed."""
    head = token.partition(".")[0]
    try:
        algorithm = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        return False
    return isinstance(algorithm, str) and not algorithm.startswith("HS")


def _words(words: Sequence[str]) -> str:
    return " ".join(_quoted(word) for word in words)


def _variables(environment: Mapping[str, str]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in environment.items())


def _quoted(word: str) -> str:
    """Write a word as HTCondor's new syntax has it, inside of a pair of double quotes."""
    if not word.isprintable():
        raise DriverError(f"HTCondor takes no line breaks or control characters, such as in {word[:40]!r}")
    doubled = word.replace("'", "''").replace('"', '""').replace("$", "$(DOLLAR)")
    return f"'{doubled}'"
