"""`kill -9` of server, worker or pilot in the middle: every job ends once, none is lost, none is Done twice."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from tests.infra.stack import command_of
from tests.infra.waiting import await_that
from weyl.demo.main_job import FINAL, User
from weyl.demo.stack import Stack, processes_below

# What tests/faults/test_kill.py shows more of, here in the stack of `weyl up` as it is.
pytestmark = [pytest.mark.xdist_group("kill"), pytest.mark.timeout(400), pytest.mark.long]

JDL = """
JobName = "survivor-%n"; Executable = "/bin/sh"; Arguments = "-c 'sleep 1; echo job %s'";
Parameters = 16; StdOutput = "std.out"; OutputSandbox = {"std.out"};
"""


def _await(condition: Callable[[], bool], stack: Stack, *, timeout_s: float = 120) -> None:
    """Wait for a condition, as the supervisor of the stack does: what was killed is started again."""

    def holds() -> bool:
        stack.check()
        return condition()

    await_that(holds, "the condition", timeout_s=timeout_s)


def _kill_program(name: str) -> Callable[[Stack], None]:
    def kill(stack: Stack) -> None:
        process = stack.program(name).process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    return kill


def _kill_pilot(stack: Stack) -> None:
    pilots = [process for process in processes_below(stack.files.pilots) if "weyl-pilot.pyz" in command_of(process)]
    assert pilots
    for pilot in pilots:
        pilot.kill()


@pytest.mark.parametrize(
    ("victim", "kill"),
    [("server", _kill_program("server")), ("worker", _kill_program("worker")), ("pilot", _kill_pilot)],
)
def test_after_kill_9_every_job_ends_once(
    stack: Stack, alice: User, victim: str, kill: Callable[[Stack], None]
) -> None:
    ids = alice.submit(JDL, f"{victim}.jdl")
    assert len(ids) == 16
    _await(lambda: any(job["Status"] == "Running" for job in alice.jobs(ids)), stack)
    kill(stack)
    _await(lambda: all(job["Status"] in FINAL for job in alice.jobs(ids)), stack)

    jobs = alice.jobs(ids)
    assert sorted(job["JobID"] for job in jobs) == sorted(ids)
    counts = Counter(job["Status"] for job in jobs)
    assert set(counts) <= {"Done", "Failed"}
    assert counts["Done"] >= 8
    for job in jobs:
        history = json.loads(alice.run("jobs", "show", str(job["JobID"]), "--history", "-o", "json"))
        moves = [entry["Status"] for entry in history]
        runs_again = [number for number, status in enumerate(moves) if "Rescheduled" in moves[number + 1 : number + 2]]
        ends = [status for number, status in enumerate(moves) if number not in runs_again and status in FINAL]
        assert ends.count(job["Status"]) == len(ends) > 0, history
        assert all(moves[number] == "Failed" for number in runs_again), history
        if job["Status"] == "Failed":
            assert job["MinorStatus"] not in ("", "Unknown", "idem")
