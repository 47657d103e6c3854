"""Runs once more what failed only because something did not happen in time, with fresh stacks, in a process of its own.

A whole-system test on a busy machine may be too slow without anything being broken. What passes then is listed as
flaky, with both outputs in `build/test/flaky.json`, and does not block a merge. A broken invariant (lost, doubled,
foreign, leaked, wrong bytes) is another kind of error, and never gets a second try. More than three flaky tests, or
one that was flaky in the run before as well, are red.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra import pace
from tests.infra.waiting import NotSeenInTime

RECORD = Path("build", "test", "flaky.json")
SUITES = ("flows", "grid", "faults", "browser")
FLAKY_MAX = 3
TRY_TIMEOUT_S = 1_800
OUTPUT_CHARACTERS_MAX = 20_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the second process know that it is the second."""
    parser.addoption("--one-try", action="store_true", help="do not try again what was not seen in time")


def pytest_configure(config: pytest.Config) -> None:
    """Listen in the process that judges, which with pytest-xdist runs no test itself."""
    if not hasattr(config, "workerinput") and not config.getoption("--one-try"):
        config.pluginmanager.register(SecondTry(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Note on the report of a whole-system test, which travels to the process that judges, what only we know of it."""
    report = yield
    if _is_whole_system(item):
        # pytest-xdist adds the group of a test to its name
        is_grouped = next(item.iter_markers("xdist_group"), None) is not None
        report.whole_system = item.nodeid.rpartition("@")[0] if is_grouped and "@" in item.nodeid else item.nodeid
        report.too_late = call.excinfo is not None and is_too_late(call.excinfo.value)
    return report


def is_too_late(error: BaseException) -> bool:
    """Tell whether an error says only that something was not seen in time."""
    kind = type(error)
    is_of_browser = kind.__module__.startswith("playwright.") and kind.__name__ == "TimeoutError"
    return isinstance(error, NotSeenInTime) or is_of_browser


def _is_whole_system(item: pytest.Item) -> bool:
    tests = item.config.rootpath / "tests"
    return item.path.is_relative_to(tests) and item.path.relative_to(tests).parts[0] in SUITES


@dataclass(frozen=True)
class Verdict:
    """What the second tries have shown: which tests are flaky, and why the run is red nevertheless."""

    flaky: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def judge(flaky: Sequence[str], flaky_before: Sequence[str], late: int) -> Verdict:
    """Say what follows from those that passed the second time, of so many that were late in the first place."""
    reasons = [f"flaky in the run before, too: {name}" for name in sorted({*flaky} & {*flaky_before})]
    if late > FLAKY_MAX:
        reasons.append(f"{late} tests saw something too late, more than {FLAKY_MAX}")
    return Verdict(tuple(sorted(flaky)), tuple(reasons))


class SecondTry:
    """Listens to the reports of one session, tries again at its end, and corrects the session's result."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failures: dict[str, list[Any]] = defaultdict(list)
        self._ran: set[str] = set()
        self._verdict = Verdict()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep what failed."""
        if hasattr(report, "whole_system"):
            self._ran.add(report.whole_system)
        if report.failed:
            self._failures[report.nodeid].append(report)

    @pytest.hookimpl(trylast=True)  # the processes of the session have ended then, and their stacks with them
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Try again what was only too late, and write down what was flaky."""
        record = _Record(self._config.rootpath / RECORD)
        late = {
            node: reports[0]
            for node, reports in self._failures.items()
            if all(getattr(report, "too_late", False) for report in reports)
        }
        found: dict[str, Any] = {}
        if len(late) <= FLAKY_MAX:  # more of them are red however the second tries end
            for node, report in late.items():
                status, output = self._run_again(report.whole_system)
                if status == 0:
                    first = str(report.longreprtext)[-OUTPUT_CHARACTERS_MAX:]
                    found[node] = {"first": first, "second": output, "pace": pace.factor()}
        flaky = {late[node].whole_system: told for node, told in found.items()}
        self._verdict = judge([*flaky], [*record.before], len(late))
        record.write({name: told for name, told in record.before.items() if name not in self._ran} | flaky)
        if found:
            self._correct(session, found)

    def _run_again(self, node: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "--one-try", "--long", "-q", node]
        try:
            ended = subprocess.run(
                command,
                cwd=self._config.rootpath,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TRY_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, f"not over after {TRY_TIMEOUT_S} s"
        return ended.returncode, ended.stdout.decode(errors="replace")[-OUTPUT_CHARACTERS_MAX:]

    def _correct(self, session: pytest.Session, found: dict[str, Any]) -> None:
        """Count flaky tests as such, and end well if nothing else has failed."""
        stats = self._config.pluginmanager.get_plugin("terminalreporter").stats
        flaky: dict[str, Any] = {}
        for kind in ("failed", "error"):
            reports = stats.pop(kind, [])
            flaky |= {report.nodeid: report for report in reports if report.nodeid in found}
            if kept := [report for report in reports if report.nodeid not in found]:
                stats[kind] = kept
        stats["flaky"] = list(flaky.values())
        is_all = found.keys() == self._failures.keys()
        if is_all and not self._verdict.reasons and session.exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name the flaky tests, and say why they make the run red, where they do."""
        for name in self._verdict.flaky:
            terminalreporter.line(f"flaky: {name} (both outputs are in {RECORD})")
        for reason in self._verdict.reasons:
            terminalreporter.line(f"RED: {reason}")


class _Record:
    """The flaky tests of the last run, by name; those that this session does not run stay as they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.before = dict(json.loads(path.read_text()))
        except (FileNotFoundError, ValueError):
            self.before = {}

    def write(self, found: dict[str, Any]) -> None:
        """Replace what is written down."""
        if found or self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(found, indent=1) + "\n")
