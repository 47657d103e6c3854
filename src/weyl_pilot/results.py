"""`result.json`: how a payload ended, written by the engine or by the wrapper, amended by commands of the community."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Mapping, Optional

from weyl_pilot.outcome import Outcome, short

RESULT = "result.json"
BYTES_MAX = 16 << 20
GOOD, BAD = "Application Finished Successfully", "Application Finished With Errors"
SUCCESS, PERMANENT, TEMPORARY = "success", "permanentFail", "temporaryFail"


@dataclass(frozen=True)
class RunResult:
    """The words of CWL for an end; `outputs` is a CWL output object with locations relative to the job's directory."""

    status: str
    exit_code: int = 0
    message: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def outcome(self) -> Outcome:
        """What the job comes to."""
        if self.status == SUCCESS:
            return Outcome("Done", "Execution Complete")
        text = short(self.message or "Exited With Status %d" % self.exit_code)
        return Outcome("Failed", BAD, text, "site" if self.status == TEMPORARY else "payload")

    def text(self) -> str:
        """What is written for commands."""
        document = {"status": self.status, "exit_code": self.exit_code, "message": self.message}
        return json.dumps({**document, "outputs": dict(self.outputs)} if self.outputs else document)


def read_result(path: Path, owner: Optional[int]) -> Optional[RunResult]:
    """Reads a result; None where there is none, or something else has its name."""
    content = read_owned(path, owner, BYTES_MAX)
    try:
        document = json.loads(content) if content is not None else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("status") not in (SUCCESS, PERMANENT, TEMPORARY):
        return None
    outputs = document.get("outputs") or {}
    code = document.get("exit_code")
    return RunResult(
        status=document["status"],
        exit_code=code if isinstance(code, int) else 1,
        message=str(document.get("message") or ""),
        outputs=outputs if isinstance(outputs, dict) else {},
    )


def read_owned(path: Path, owner: Optional[int], bytes_max: int) -> Optional[bytes]:
    """Reads a file that a payload may have replaced; None where there is none of its own, or a longer one."""
    stream = open_owned(str(path), owner)
    if stream is None:
        return None
    with stream:
        return stream.read() if os.fstat(stream.fileno()).st_size <= bytes_max else None


def open_owned(path: str, owner: Optional[int]) -> Optional[IO[bytes]]:
    """Opens a payload's own file: never a link, a pipe, a directory, or a second name of another's file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    facts = os.fstat(descriptor)
    if stat.S_ISREG(facts.st_mode) and (owner is None or facts.st_uid == owner):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None
