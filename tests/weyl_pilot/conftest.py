"""Fixtures for the pilot: the packed program, a server to talk to, and Pythons to run it with."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.weyl_pilot.elements import Catalogue, Elements, running_elements
from tests.weyl_pilot.stand_in import SECRET, StandIn, running_stand_in
from weyl.pilots.archive import ARCHIVE_NAME, pilot_archive

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A server that remembers what the pilot said."""
    with running_stand_in() as state:
        yield state


@pytest.fixture
def elements() -> Iterator[Elements]:
    """Storage that does what a test tells it."""
    with running_elements() as state:
        yield state


@pytest.fixture
def catalogue(server: StandIn, elements: Elements) -> Catalogue:
    """A server that knows files in this storage."""
    server.catalogue = Catalogue(elements)
    return server.catalogue


@pytest.fixture
def work_dir(run_directory: Path, request: pytest.FixtureRequest) -> Path:
    """A directory that other users can walk through, as the directory of a pilot that runs as root must be."""
    directory = run_directory / f"pilot-{abs(hash(request.node.nodeid)):x}"
    directory.mkdir()
    return directory


@pytest.fixture
def start(server: StandIn, work_dir: Path) -> Iterator[Start]:
    """Starts pilots as separate processes; none outlives the test."""
    archive = work_dir / ARCHIVE_NAME
    archive.write_bytes(pilot_archive().content)
    started: list[subprocess.Popen[str]] = []

    def start_pilot(
        *arguments: str, python: str = sys.executable, user: int | None = None, path: str = os.environ["PATH"]
    ) -> "subprocess.Popen[str]":
        secret = work_dir / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        if user:
            os.chown(secret, user, user)
            os.chown(work_dir, user, user)
        fixed = ["--url", server.url, "--secret-file", str(secret), "--work-dir", str(work_dir / "work")]
        quick = ["--long-poll-s", "0", "--empty-max", "1", "--cores", "2"]
        process = subprocess.Popen(
            [python, "-I", str(archive), *fixed, *quick, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": path, "WEYL_PILOT_HIDE": str(work_dir)},
            user=user or None,
            group=user or None,
            extra_groups=[] if user else None,
        )
        started.append(process)
        return process

    yield start_pilot
    for process in started:
        process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]", timeout_s: float = 60) -> str:
    """Waits for a good end and returns the log."""
    _, log = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, log
    return log
