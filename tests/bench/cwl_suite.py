"""The conformance tests through weyl beside cwltool by itself: wall time, and CPU of all processes."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

from tests.bench.cpu import cpu_s
from tests.bench.stack import BenchStack, bench_stack
from tests.bench.verdicts import ROOT, Report, alternate, times

SUITE = Path(os.environ.get("CONFORMANCE", ROOT.parent / "shared" / "cwl-conformance"))
WALL_TIMES_MAX, CPU_TIMES_MAX = 4.0, 2.5
SLOTS = 2
TEST_TIMEOUT_S = 300


def measure(report: Report, options: Namespace) -> None:
    """Run the whole suite on both sides in turn; the first seconds of a pilot are not counted."""
    if not (SUITE / "conformance_tests.yaml").exists():
        report.say("The conformance tests are not here: their lines were NOT judged; CONFORMANCE=DIR names them")
        return
    with bench_stack(slots=SLOTS) as running:
        _weyl(running, "-n", "1")
        pairs = alternate(lambda: _weyl(running), _cwltool, turns=options.long_alternations)
    report.say(f"the tests of {SUITE.name}, two at a time, each side with its own programs in the same Python")
    walls = [(ours[0], theirs[0]) for ours, theirs in pairs]
    cpus = [(ours[1:], theirs[1:]) for ours, theirs in pairs]
    report.add(
        times("conformance tests, wall", walls, over="cwltool", of="s", at_most=WALL_TIMES_MAX),
        times("conformance tests, CPU of all processes", cpus, over="cwltool", of="s", at_most=CPU_TIMES_MAX),
    )


def _weyl(running: BenchStack, *chosen: str) -> tuple[float, float, float]:
    """Return the seconds, and the CPU seconds of all programs and of the database."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "WEYL_URL": running.stack.url,
        "WEYL_CREDENTIALS_PATH": str(running.credentials),
    }
    before = _stack_s(running)
    wall_s, own_s = _cwltest([*chosen, "--tool", "weyl", "--", "cwl-runner"], environment)
    programs_s, database_s = (late - early for early, late in zip(before, _stack_s(running), strict=True))
    return wall_s, own_s + programs_s, database_s


def _cwltool() -> tuple[float, float, float]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return (*_cwltest(["--tool", "cwltool", "--", "--no-container"], environment), 0.0)


def _cwltest(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as scratch:
        command = [str(Path(sys.executable).with_name("cwltest")), "--test", "conformance_tests.yaml", "-j2"]
        command += ["--timeout", str(TEST_TIMEOUT_S), *arguments]
        began, before = time.monotonic(), _children_s()
        subprocess.run(command, cwd=SUITE, env=environment | {"TMPDIR": scratch}, capture_output=True, check=False)
        return time.monotonic() - began, _children_s() - before


def _stack_s(running: BenchStack) -> tuple[float, float]:
    database = running.database_pid
    programs = cpu_s(running.server_pid) + cpu_s(running.pid("worker"))
    return programs, 0.0 if database is None else cpu_s(database)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
