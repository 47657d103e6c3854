"""Measures what an installation takes: memory of each kind of process, and CPU of `weyl --help`."""

import resource
import subprocess
import sys
from pathlib import Path

from tests.bench.cpu import descendants
from tests.bench.stack import BenchStack
from tests.bench.verdicts import Report, alternate, figure, limit, times

SERVER_MB_MAX, WORKER_MB_MAX, PILOT_MB_MAX = 200.0, 150.0, 40.0
HELP_TIMES_MAX = 11.0
"""How many times the CPU of an interpreter that does nothing `weyl --help` takes."""
HELP = (str(Path(sys.executable).parent / "weyl"), "--help")
NOTHING = (sys.executable, "-c", "pass")


def measure(running: BenchStack) -> int:
    """Measure a stack that has just run jobs, while its pilots still wait."""
    report, worker = Report("footprint"), running.pid("worker")
    pilots = [pid for pid in descendants(worker, deep=True) if "weyl-pilot" in _command(pid)]
    pilot_mb = max((_peak_mb(pid) for pid in pilots), default=float("nan"))
    helped = alternate(lambda: _cpu_ms(HELP), lambda: _cpu_ms(NOTHING))
    report.note_pace()
    report.add(
        limit("memory of the server, peak", _peak_mb(running.server_pid), "MB", at_most=SERVER_MB_MAX),
        limit("memory of the worker, peak", _peak_mb(worker), "MB", at_most=WORKER_MB_MAX),
        limit("memory of a pilot, peak", pilot_mb, "MB", at_most=PILOT_MB_MAX),
        times("CPU of `weyl --help`", helped, over="`python -c pass`", of="ms", at_most=HELP_TIMES_MAX),
        figure("the stack was up after", running.up_after_s, "s"),
    )
    return report.finish()


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _cpu_ms(command: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3
