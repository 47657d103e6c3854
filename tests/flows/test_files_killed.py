"""`kill -9` of pilots while they bring and store files, in a whole system: all or nothing, and nothing left behind."""

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.flows.files import HOME
from tests.infra.waiting import await_that
from weyl.demo.main_job import User
from weyl.demo.stack import Stack, processes_below

pytestmark = [pytest.mark.xdist_group("files-killed"), pytest.mark.timeout(1800), pytest.mark.long]

MB = 200
JDL = """Executable = "/bin/sh";
Arguments = "-c 'set -e; cp data.bin one.bin; cp data.bin two.bin; head -c %(mb)dM /dev/zero >three.bin'";
InputData = {"%(home)s/killed/data.bin"};
OutputData = {"*.bin"};
OutputPath = "%(home)s/killed/%(number)d";
"""
STEPS = {"input": "Resolving Input Data", "payload": "Application", "output": "Uploading Outputs"}
MADE = ["one.bin", "three.bin", "two.bin"]


@pytest.fixture(scope="module")
def manager(stack: Stack) -> User:
    """Somebody who looks after the files of the VO."""
    user = User(stack, "max", group="production")
    user.login()
    return user


def test_jobs_whose_pilots_are_killed_run_again_and_leave_one_set_of_files(
    stack: Stack, alice: User, manager: User
) -> None:
    (alice.directory / "data.bin").write_bytes(os.urandom(MB << 20))
    alice.run("data", "put", "data.bin", f"{HOME}/killed/data.bin", "--se", "DEMO-DISK")
    dice = random.Random(7)
    ids = []
    for number, step in enumerate(step for step in STEPS for _ in range(2)):
        ids.append(_submit(alice, number))
        _await_step(stack, alice, ids[-1], STEPS[step])
        # Each step lasts a second or so: some kills come in its middle, and some after it.
        moment = time.monotonic() + dice.uniform(0, 1.5)
        await_that(lambda moment=moment: time.monotonic() > moment, "a moment", poll_s=0.02)
        for process in processes_below(stack.files.pilots):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        assert _listed(alice, number) in ([], MADE), step
        await_that(
            lambda number=number: _listed(alice, number) == MADE,
            f"the files of job {ids[-1]}",
            timeout_s=240,
            poll_s=2,
            explain=lambda: alice.jobs(ids),
        )
    await_that(
        lambda: {job["Status"] for job in alice.jobs(ids)} == {"Done"}, "the end", explain=lambda: alice.jobs(ids)
    )
    assert json.loads(manager.run("data", "check", "-o", "json")) == []


def _submit(user: User, number: int) -> int:
    path = Path(user.directory) / "killed.jdl"
    path.write_text(JDL % {"home": HOME, "number": number, "mb": MB})
    return int(user.run("jobs", "submit", str(path), "-q"))


def _await_step(stack: Stack, user: User, job_id: int, minor: str) -> None:
    def is_there() -> bool:
        stack.check()
        [job] = user.jobs([job_id])
        return job["MinorStatus"] == minor or job["Status"] == "Done"

    await_that(is_there, minor, timeout_s=180, poll_s=0.02, explain=lambda: user.jobs([job_id]))


def _listed(user: User, number: int) -> list[str]:
    done = user.run("data", "ls", f"{HOME}/killed", "-o", "json")
    if str(number) + "/" not in {row["name"] for row in json.loads(done)}:
        return []
    return sorted(row["name"] for row in json.loads(user.run("data", "ls", f"{HOME}/killed/{number}", "-o", "json")))
