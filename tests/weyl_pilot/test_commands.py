"""Commands of the community before and after a payload, with the packed pilot."""

import io
import json
import sys
import tarfile
from typing import Any

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import StandIn

pytestmark = pytest.mark.system

SAYS = """#!/bin/sh
echo $0 said $*
cat $(dirname $0)/note.txt $WEYL_JOB_FILE
cat $WEYL_RESULT_FILE 2>/dev/null
exit $1
"""
AMENDS = """
import json, os, sys
path = os.environ["WEYL_RESULT_FILE"]
result = json.load(open(path))
print(json.dumps(result))
json.dump({**result, "status": sys.argv[1], "message": "amended"}, open(path, "w"))
"""


def _command(server: StandIn, name: str, stage: str, *words: str, always: bool = False) -> dict[str, Any]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for file, text in (("say.sh", SAYS), ("note.txt", f"note of {name}\n"), ("amend.py", AMENDS)):
            info = tarfile.TarInfo(file)
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    archive = server.put_archive(buffer.getvalue())
    return {"name": name, "stage": stage, "always": always, "command": list(words), "archive": archive}


def _says(server: StandIn, name: str, stage: str, code: int = 0, *, always: bool = False) -> dict[str, Any]:
    return _command(server, name, stage, "{archive}/say.sh", str(code), always=always)


def test_commands_run_around_the_payload_and_see_its_result(server: StandIn, start: Start) -> None:
    commands = [
        _says(server, "check", "pre"),
        _says(server, "report", "post"),
        _says(server, "last", "post", always=True),
    ]
    job = server.add(
        1, executable="/bin/sh", arguments="-c 'ls command-check.log; ls command-report.log'", commands=commands
    )
    server.add(2, executable="/bin/true", commands=commands)
    finish(start("--slots", "1"))
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "payload")
    output = {name: content.decode() for name, content in server.output(1).items()}
    assert output["std.out"] == "command-check.log\n"
    assert "note of check" in output["command-check.log"]
    assert '"job_id": 1' in output["command-check.log"]
    assert "command-report.log" not in output
    assert (
        '{"status": "permanentFail", "exit_code": 2, "message": "Exited With Status 2"}' in output["command-last.log"]
    )
    assert server.jobs[2].last("Status") == "Done"
    assert '"success"' in server.output(2)["command-report.log"].decode()
    fetched = [path for _, path in server.requests if path.startswith("/api/pilots/commands/")]
    assert len(fetched) == len(set(fetched)) == 3


def test_a_command_that_fails_before_keeps_the_payload_from_running(server: StandIn, start: Start) -> None:
    commands = [
        _says(server, "check", "pre", 7),
        _says(server, "no", "post"),
        _says(server, "yes", "post", always=True),
    ]
    job = server.add(1, executable="/bin/echo", arguments="ran", commands=commands)
    finish(start())
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "payload")
    assert job.last("ApplicationStatus") == "pre command check exited with status 7"
    assert {"command-check.log", "command-yes.log", "weyl-wrapper.txt"} == set(server.output(1))
    assert "PayloadPID" not in job.parameters


def test_a_command_that_fails_after_fails_a_good_job(server: StandIn, start: Start) -> None:
    commands = [_says(server, "judge", "post", 3), _says(server, "next", "post")]
    job = server.add(1, executable="/bin/echo", arguments="good", commands=commands)
    finish(start())
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "payload")
    assert job.last("ApplicationStatus") == "post command judge exited with status 3"
    assert set(server.output(1)) == {"std.out", "command-judge.log", "weyl-wrapper.txt"}


@pytest.mark.parametrize(
    ("word", "status", "error_class"),
    [("success", "Done", None), ("temporaryFail", "Failed", "site"), ("permanentFail", "Failed", "payload")],
)
def test_a_command_may_amend_how_a_job_ended(
    server: StandIn, start: Start, word: str, status: str, error_class: str | None
) -> None:
    amend = _command(server, "amend", "post", "python3", "{archive}/amend.py", word, always=True)
    ends = "exit 4" if word == "success" else "exit 0"
    job = server.add(1, executable="/bin/sh", arguments=f"-c '{ends}'", commands=[amend])
    finish(start())
    assert (job.last("Status"), job.last("ErrorClass")) == (status, error_class)
    assert status == "Done" or job.last("ApplicationStatus") == "amended"


def test_a_command_sees_the_outputs_of_a_workflow_and_may_fail_it(server: StandIn, start: Start) -> None:
    server.settings["payload_engine"] = sys.prefix
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: []
outputs: {said: stdout}
stdout: said.txt
baseCommand: [echo, hello]
"""
    looks = _command(server, "look", "post", "sh", "-c", "cat outputs/said.txt; cat $WEYL_RESULT_FILE")
    amend = _command(server, "amend", "post", "python3", "{archive}/amend.py", "permanentFail")
    job = server.add(1, workflow=server.put_bundle(main=document), commands=[looks, amend])
    finish(start(), 300)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "payload")
    seen = server.output(1)["command-look.log"].decode()
    assert seen.startswith("hello\n")
    assert json.loads(seen.splitlines()[1])["outputs"]["said"]["location"] == "outputs/said.txt"
    assert (job.manifests[0]["manifest"]["status"], job.manifests[0]["manifest"]["outputs"]) == ("permanentFail", {})


def test_a_job_is_killed_in_a_command_too(server: StandIn, start: Start) -> None:
    waits = _command(server, "wait", "pre", "sh", "-c", "echo waiting; sleep 600")
    job = server.add(1, executable="/bin/echo", arguments="ran", commands=[waits])
    pilot = start()
    server.wait(lambda: job.heartbeats)
    with server.changed:
        job.commands.append("Kill")
    finish(pilot)
    assert job.minors()[-1] == "Received Kill signal"
    assert "std.out" not in server.output(1)


def test_a_command_with_another_content_is_not_run(server: StandIn, start: Start) -> None:
    command = _says(server, "check", "pre")
    server.archives[command["archive"]["sha256"]] = b"something else"
    job = server.add(1, executable="/bin/true", commands=[command])
    finish(start())
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "host")
    assert (job.last("ApplicationStatus") or "").startswith("command check: ")
