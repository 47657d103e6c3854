"""What was only too late is tried again; nothing else is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.second_try import judge

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
pytest_plugins = ("tests.infra.second_try",)

def pytest_addoption(parser):
    parser.addoption("--long", action="store_true")
"""
LATE = """
from pathlib import Path
import pytest
from tests.infra.waiting import NotSeenInTime

@pytest.mark.xdist_group("any")
@pytest.mark.parametrize("name", [{names}])
def test_late(name):
    seen = Path(name)
    if not seen.exists():
        seen.write_text("once")
        raise NotSeenInTime("too busy")
"""
BROKEN = """
def test_broken():
    from pathlib import Path
    Path("tries").open("a").write("x")
    assert False, "lost a job"
"""
LATE_FOR_EVER = """
from tests.infra.waiting import NotSeenInTime

def test_for_ever():
    raise NotSeenInTime("never")
"""


class Project:
    """A project with tests of its own that uses our plugin."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "tests" / "flows").mkdir(parents=True)
        (directory / "tests" / "jobs").mkdir()
        (directory / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\nmarkers = xdist_group\n")
        (directory / "conftest.py").write_text(CONFTEST)

    def write(self, suite: str, text: str) -> None:
        """Add a file of tests to a suite."""
        (self.directory / "tests" / suite / f"test_{len(list(self.directory.rglob('test_*')))}.py").write_text(text)

    def run(self, *options: str) -> tuple[int, str]:
        """Run everything; returns the exit status and what was printed."""
        command = [sys.executable, "-m", "pytest", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        ended = subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    def record(self) -> list[str]:
        """Return the flaky tests of the last run."""
        return sorted(json.loads((self.directory / "build" / "test" / "flaky.json").read_text()))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n1", "--dist", "loadgroup")])
def test_what_was_too_late_passes_the_second_time(project: Project, options: tuple[str, ...]) -> None:
    project.write("flows", LATE.format(names="'one'"))
    status, output = project.run(*options)
    assert status == 0, output
    assert "1 flaky" in output
    assert "flaky: tests/flows/test_0.py::test_late[one]" in output
    assert project.record() == ["tests/flows/test_0.py::test_late[one]"]


def test_a_broken_invariant_has_one_try(project: Project) -> None:
    project.write("flows", BROKEN)
    project.write("flows", LATE.format(names="'one'"))
    status, output = project.run()
    assert status == 1
    assert "1 failed, 1 flaky" in output
    assert (project.directory / "tries").read_text() == "x"


def test_what_is_late_again_has_failed(project: Project) -> None:
    project.write("flows", LATE_FOR_EVER)
    status, output = project.run()
    assert (status, "1 failed" in output) == (1, True)


def test_a_test_of_a_room_has_one_try(project: Project) -> None:
    project.write("jobs", LATE.format(names="'one'"))
    status, output = project.run()
    assert (status, "1 failed" in output) == (1, True)


def test_four_late_tests_are_red(project: Project) -> None:
    project.write("flows", LATE.format(names="'a', 'b', 'c', 'd'"))
    status, output = project.run()
    assert (status, "4 failed" in output) == (1, True)
    assert "RED: 4 tests saw something too late, more than 3" in output


def test_one_that_is_flaky_twice_in_a_row_is_red(project: Project) -> None:
    project.write("flows", LATE.format(names="'one'"))
    assert project.run()[0] == 0
    (project.directory / "one").unlink()
    status, output = project.run()
    assert status == 1
    assert "RED: flaky in the run before, too: tests/flows/test_0.py::test_late[one]" in output
    assert project.run()[0] == 0
    assert project.record() == []


def test_a_flaky_test_of_a_run_before_the_last_is_forgiven() -> None:
    assert judge(["one"], ["other"], late=1).reasons == ()
