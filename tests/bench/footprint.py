"""Measures what an installation takes: start-up, memory of each kind of process, and CPU of `weyl --help`."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.stack import BenchStack

HELP_RUNS = 5
TARGETS = {"server_mb": 200.0, "worker_mb": 150.0, "pilot_mb": 40.0, "help_cpu_ms": 150.0, "stack_up_s": 10.0}


@dataclass
class Footprint:
    """Peaks of resident memory (MiB), CPU of `weyl --help` (ms, least of some), seconds until the stack was up."""

    server_mb: float
    worker_mb: float
    pilot_mb: float
    help_cpu_ms: float
    stack_up_s: float

    def text(self) -> str:
        """Return one line a figure, with its target."""
        return "\n".join(
            f"{name:12} {value:8.1f}   target {TARGETS[name]:6.1f}" for name, value in asdict(self).items()
        )


def measure(stack: BenchStack, out: Path) -> Footprint:
    """Measure a stack that has just run jobs, while its pilots still wait; writes `footprint.json`."""
    worker = stack.pid("worker")
    pilots = [pid for pid in _descendants(worker) if "weyl-pilot" in _command(pid)]
    found = Footprint(
        server_mb=_peak_mb(stack.server_pid),
        worker_mb=_peak_mb(worker),
        pilot_mb=max((_peak_mb(pid) for pid in pilots), default=float("nan")),
        help_cpu_ms=min(_help_cpu_ms() for _ in range(HELP_RUNS)),
        stack_up_s=stack.up_after_s,
    )
    (out / "footprint.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
    print(found.text(), flush=True)
    return found


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _descendants(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        for child in (thread / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _help_cpu_ms() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([Path(sys.executable).parent / "weyl", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3
