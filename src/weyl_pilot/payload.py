"""One running payload: its start behind the walls, its end, and what it used."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from weyl_pilot.processes import Process, Usage, end, usage

TAIL_LINES = 20
TAIL_BYTES = 8192
PEEK_BYTES = 64 * 1024
# How long the first process of a namespace may take to vanish once its launcher has ended.
ORPHAN_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Result:
    """How a payload ended; a signal's number N becomes exit code 128 + N, as in a shell."""

    exit_code: int
    cpu_s: float
    wall_s: float
    memory_kb: int

    def parameters(self, power_db12: float) -> Dict[str, object]:
        """The parameters of a job that say how it ended and what it used."""
        return {
            "PayloadExitCode": self.exit_code,
            "TotalCPUTime(s)": int(self.cpu_s),
            "NormCPUTime(s)": int(self.cpu_s * power_db12),
            "CPUNormalizationFactor": int(power_db12),
            "WallClockTime(s)": round(self.wall_s, 3),
            "CPUTime(s)": round(self.cpu_s, 3),
            "Memory(kB)": self.memory_kb,
            "Memory(MB)": self.memory_kb // 1024,
        }


@dataclass(frozen=True)
class Streams:
    """Files of standard output and error, as paths on this machine; equal paths mean one file for both."""

    output: Path
    error: Path


class Payload:
    """Started by the thread that will wait for it: the kernel ends it together with that thread.

    `in_namespace`: the launcher is bubblewrap. It ends as soon as the payload has, without waiting for the first
    process of the namespace, and only that one knows what the payload used; it tells who that is, and we wait for it.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        streams: Streams,
        uid: Optional[int],
        in_namespace: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:
        self._over = threading.Event()
        self._started = time.monotonic()
        self._output = self._error = _open_stream(streams.output, uid)
        self._report, report = os.pipe() if in_namespace else (-1, -1)
        words = [command[0], "--info-fd", str(report), *command[1:]] if in_namespace else list(command)
        try:
            if streams.error != streams.output:
                self._error = _open_stream(streams.error, uid)
            self._process = subprocess.Popen(
                [*prefix, *words],
                env=dict(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._error,
                start_new_session=True,
                close_fds=True,
                pass_fds=[report] if in_namespace else [],
            )
        except BaseException:
            self.close()
            _close(self._report)
            raise
        finally:
            _close(report)
        self.pid = self._process.pid
        self.most = Usage()

    def wait(self) -> Result:
        """Blocks until the payload and everything that it started are gone."""
        _, status, used = os.wait4(self.pid, 0)
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        self._process.returncode = code
        parts = [used, *self._inner_usage()]
        self._over.set()
        return Result(
            exit_code=code,
            cpu_s=max(self.most.cpu_s, sum(part.ru_utime + part.ru_stime for part in parts)),
            wall_s=time.monotonic() - self._started,
            memory_kb=max(self.most.memory_kb, *(part.ru_maxrss for part in parts)),
        )

    def _inner_usage(self) -> List[resource.struct_rusage]:
        """What the first process of the namespace used, and all that it waited for; nothing if it is not ours."""
        if self._report < 0:
            return []
        try:
            first = int(json.loads(os.read(self._report, 4096))["child-pid"])
            deadline = time.monotonic() + ORPHAN_PATIENCE_S
            while time.monotonic() < deadline:
                pid, _, used = os.wait4(first, os.WNOHANG)
                if pid:
                    return [used]
                time.sleep(0.002)
        except (OSError, ValueError, KeyError):
            return []  # the launcher has waited for it, or never got so far
        finally:
            _close(self._report)
            self._report = -1
        return []

    def end(self, grace_s: float, first: int = signal.SIGTERM) -> None:
        """Asks it to stop, and kills it after the grace time."""
        if not self._over.is_set():
            end(self.pid, first=first, grace_s=grace_s, is_over=self._over.wait)

    def measure(self, table: Dict[int, Process]) -> Usage:
        """What it uses now; the largest values are kept."""
        now = usage(self.pid, table)
        self.most = Usage(
            processes=max(now.processes, self.most.processes),
            cpu_s=max(now.cpu_s, self.most.cpu_s),
            memory_kb=max(now.memory_kb, self.most.memory_kb),
            virtual_kb=max(now.virtual_kb, self.most.virtual_kb),
        )
        return now

    @property
    def wall_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    def tail(self) -> str:
        """The last lines of standard output."""
        return "\n".join(_last_text(self._output, TAIL_BYTES).splitlines()[-TAIL_LINES:])

    def peek(self) -> Tuple[str, str]:
        """The last 64 kB of standard output and of standard error."""
        output = _last_text(self._output, PEEK_BYTES)
        return output, output if self._error == self._output else _last_text(self._error, PEEK_BYTES)

    def close(self) -> None:
        """Gives the descriptors of the streams back, after the last `tail`."""
        descriptors = {self._output, self._error}
        self._output = self._error = -1
        for descriptor in descriptors:
            _close(descriptor)


def _last_text(descriptor: int, bytes_max: int) -> str:
    """The end of a stream, read through our own descriptor: the file's name may lead elsewhere."""
    try:
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, bytes_max, max(0, size - bytes_max))
    except OSError:
        return ""
    return content.decode("utf-8", "replace").replace("\0", "")


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _open_stream(path: Path, uid: Optional[int]) -> int:
    """Makes a new file. What has its name goes first: opened, it could be a second name of something that is not the
    payload's, which we would empty and give away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(str(path)):
        path.unlink()
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    if uid is not None:
        os.fchown(descriptor, uid, uid)
    return descriptor
