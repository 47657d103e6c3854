"""`weyl up` looks after all that it started: what dies is started again, and the terminal says so."""

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2
import psutil
import pytest

from tests.infra.directories import stack_directory
from weyl.demo.installation import InstallationFiles
from weyl.demo.processes import ComponentFailed
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("supervision"), pytest.mark.timeout(300)]

WAIT_S = 60
LOOK_EVERY_S = 0.2


@dataclass
class Terminal:
    """What was said, and waited for."""

    lines: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def await_line(self, start: str) -> str:
        deadline = time.monotonic() + WAIT_S
        while not (line := self.lines.get(timeout=max(0.0, deadline - time.monotonic()))).startswith(start):
            pass
        return line


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture(scope="module")
def stack(terminal: Terminal) -> Iterator[Stack]:
    with (
        stack_directory("weyl-u-") as directory,
        Stack(InstallationFiles(directory), say=terminal.lines.put) as running,
    ):
        yield running


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _postmaster(stack: Stack) -> int:
    return int((stack.files.directory / "pg/data/postmaster.pid").read_text().split()[0])


def _store(stack: Stack) -> int:
    [found] = [
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "weed" and str(stack.files.directory) in " ".join(process.info["cmdline"] or ())
    ]
    return found


def _await(condition: Callable[[], bool], stack: Stack) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        stack.check()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(LOOK_EVERY_S)


def _is_ready(stack: Stack) -> bool:
    return httpx2.get(f"{stack.url}/api/health/ready", timeout=60).status_code == 200


def _is_stored(stack: Stack) -> bool:
    try:
        return httpx2.get(f"{stack.environment['WEYL_S3_ENDPOINT']}/healthz", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def test_a_database_that_dies_is_started_again(stack: Stack, terminal: Terminal) -> None:
    before = _postmaster(stack)
    _kill(before)
    assert terminal.await_line("PostgreSQL ended") == "PostgreSQL ended with exit code -9; restarting"
    _await(lambda: _is_ready(stack) and _postmaster(stack) != before, stack)


@pytest.mark.parametrize("name", ["server", "worker", "identity provider"])
def test_our_own_programs_are_started_again(stack: Stack, terminal: Terminal, name: str) -> None:
    process = stack.program(name).process
    assert process is not None
    _kill(process.pid)
    assert terminal.await_line(f"{name.capitalize()} ended").endswith("ended with exit code -9; restarting")
    _await(lambda: _is_ready(stack), stack)


def test_a_second_stack_in_the_same_directory_is_refused(stack: Stack) -> None:
    with pytest.raises(ComponentFailed, match="another `weyl up` is already running in"), Stack(stack.files, say=print):
        raise AssertionError("it has started")
    assert _is_ready(stack)


def test_an_object_store_that_dies_is_started_again_at_its_address(stack: Stack, terminal: Terminal) -> None:
    _kill(_store(stack))
    assert terminal.await_line("Object store ended") == "Object store ended with exit code -9; restarting"
    _await(lambda: _is_stored(stack), stack)
