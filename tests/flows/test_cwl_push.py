"""Jobs in CWL in push mode: the same outputs as under plain cwltool, once, also if the worker is killed."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.flows.cwl_examples import EXAMPLES, NAMES, contents, plain
from tests.infra.directories import stack_directory
from tests.infra.stack import command_of
from tests.infra.waiting import await_that
from weyl.client.errors import Unreachable
from weyl.demo.installation import CE, QUEUE, SITE, InstallationFiles, document
from weyl.demo.main_job import User
from weyl.demo.stack import Stack, processes_below

pytestmark = [pytest.mark.xdist_group("cwl-push"), pytest.mark.timeout(900), pytest.mark.long]


def pushing(idp_url: str, directory: Path) -> dict[str, Any]:
    """Return the demo's configuration with jobs pushed to its queue."""
    made = document(idp_url, directory)
    queue = made["Resources"]["Sites"][SITE]["CEs"][CE]["Queues"][QUEUE]
    queue |= {"Mode": "push", "Tags": ["hostfeat:cwl"], "MaxWaiting": 10, "MaxTotal": 2}
    return made


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An installation that pushes jobs."""
    with stack_directory("weyl-p-") as directory:
        files = InstallationFiles(directory, first_document=partial(pushing, directory=directory))
        with Stack(files, say=print) as running:
            yield running


@pytest.fixture(scope="module")
def alice(stack: Stack) -> User:
    """A user of it."""
    user = User(stack)
    user.login()
    return user


def test_pushed_examples_give_what_plain_cwltool_gives(alice: User, tmp_path: Path) -> None:
    ids = {}
    for name in NAMES:
        printed = alice.run("jobs", "submit", str(EXAMPLES / f"{name}.cwl"), str(EXAMPLES / f"{name}.yml"), "-q")
        ids[name] = printed.strip()
    alice.run("jobs", "wait", *ids.values(), "--timeout", "10m")
    rows = json.loads(alice.run("jobs", "output", *ids.values(), "-d", str(tmp_path / "pushed"), "-o", "json"))
    outputs = {str(row["JobID"]): row["Outputs"] for row in rows}
    for name, job_id in ids.items():
        assert contents(outputs[job_id]) == plain(name, tmp_path / name), name


SLOW = """cwlVersion: v1.2
class: CommandLineTool
inputs: {name: string}
outputs: {said: stdout}
stdout: said.txt
baseCommand: [sh, -c, 'sleep 4; echo "$0"']
arguments: [$(inputs.name)]
"""


@pytest.mark.parametrize("point", ["sent", "running", "over"])
@pytest.mark.parametrize("victim", ["worker", "server"])
def test_pushed_jobs_end_once_after_kill_9(stack: Stack, alice: User, tmp_path: Path, victim: str, point: str) -> None:
    name = f"{victim}-{point}"
    for file, text in ((f"{name}.cwl", SLOW), (f"{name}.yml", f"name: {name}")):
        (alice.directory / file).write_text(text)
    marks = len(list(stack.files.pilots.rglob("exit-code")))
    job_id = int(alice.run("jobs", "submit", f"{name}.cwl", f"{name}.yml", "-q"))

    def is_there() -> bool:
        if point == "sent":
            return alice.jobs([job_id])[0]["Status"] not in ("Received", "Checking", "Waiting")
        if point == "running":
            return any("weyl_engine" in command_of(each) for each in processes_below(stack.files.pilots))
        return len(list(stack.files.pilots.rglob("exit-code"))) > marks

    await_that(is_there, f"the job {point}", timeout_s=120, poll_s=0.02, explain=lambda: alice.jobs([job_id]))
    process = stack.program(victim).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await_that(lambda: process.poll() is not None, "it has ended")
    await_that(lambda: has_ended(stack, alice, job_id), "the end", timeout_s=300, explain=lambda: alice.jobs([job_id]))
    [row] = json.loads(alice.run("jobs", "output", str(job_id), "-d", str(tmp_path), "-o", "json"))
    assert Path(row["Outputs"]["said"]["path"]).read_text() == f"{name}\n"
    listed = json.loads(alice.run("jobs", "sandbox", "list", str(job_id), "-o", "json"))
    assert [each["Type"] for each in listed].count("Output") == 1


def has_ended(stack: Stack, alice: User, job_id: int) -> bool:
    """Tell whether a job is Done, while the supervisor starts again what was killed."""
    stack.check()
    try:
        [job] = alice.jobs([job_id])
    except Unreachable:
        return False
    assert job["Status"] not in ("Failed", "Killed"), job
    return bool(job["Status"] == "Done")
