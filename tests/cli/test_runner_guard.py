"""The guard of a runner: ends the job of a runner that was killed, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import Program, Server

from weyl.cwl.calls import submit_cwl_jobs
from weyl.cwl.cli import guard
from weyl.jobs.calls.lists import search
from weyl.kit.search import SearchParams

TOOL = "cwlVersion: v1.2\nclass: CommandLineTool\ninputs: []\noutputs: []\nbaseCommand: 'true'\n"
Tell = Callable[..., subprocess.Popen[bytes]]


def submitted(weyl: Program, group: str) -> int:
    """Submit a job and return its id."""
    return int(weyl("jobs", "submit", "cmd", "-q", "--job-group", group, "--", "/bin/sleep", "60").stdout)


def status(server: Server, job_id: int) -> str:
    """Return the status of a job."""
    with server.client() as client:
        rows: list[dict[str, Any]] = client.send(
            search(SearchParams(search=[{"parameter": "JobID", "operator": "eq", "value": job_id}]))
        )
    return str(rows[0]["Status"])


@pytest.fixture
def guarded(weyl: Program) -> Tell:
    """Returns a function that runs a guard, tells it things and goes away."""

    def run(*states: dict[str, Any], tail: bytes = b"") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", str(guard.__file__)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=weyl.environ, cwd=weyl.directory)
        lines = b"".join(json.dumps(state).encode() + b"\n" for state in states)
        process.communicate(lines + tail, timeout=60)
        return process

    return run


def test_a_runner_that_goes_away_takes_its_job_with_it(
    weyl: Program, server: Server, guarded: Tell, group: str
) -> None:
    job_id = submitted(weyl, group)
    assert guarded({"url": server.url}, {"jobs": [job_id]}).returncode == 0
    assert status(server, job_id) == "Killed"


def test_half_a_line_does_no_harm(weyl: Program, server: Server, guarded: Tell, group: str) -> None:
    job_id = submitted(weyl, group)
    assert guarded({"jobs": [job_id]}, tail=b'{"is_do').returncode == 0
    assert status(server, job_id) == "Killed"


def test_a_runner_that_is_done_leaves_everything_as_it_is(
    weyl: Program, server: Server, guarded: Tell, group: str
) -> None:
    job_id = submitted(weyl, group)
    assert guarded({"jobs": [job_id]}, {"is_done": True}).returncode == 0
    assert guarded().returncode == 0
    assert status(server, job_id) != "Killed"


def test_a_job_whose_id_the_runner_never_learned_is_ended_too(server: Server, guarded: Tell) -> None:
    call = submit_cwl_jobs(TOOL, idempotency_key="never-answered")
    assert guarded({"url": server.url}, {"body": call.body.decode(), "key": "never-answered"}).returncode == 0
    with server.client() as client:
        [again] = client.send(call)
    assert status(server, again["JobID"]) == "Killed"


def test_a_refused_submission_has_nothing_to_end(server: Server, guarded: Tell) -> None:
    assert guarded({"url": server.url}, {"body": "{}", "key": "k"}).returncode == 0
