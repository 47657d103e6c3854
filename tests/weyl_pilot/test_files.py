"""Jobs with files of the catalogue: brought before the payload, stored after it, with the packed pilot as a process."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.elements import Catalogue, Elements, Fault
from tests.weyl_pilot.stand_in import Job, StandIn
from tests.weyl_pilot.test_jobs import old_pythons

pytestmark = pytest.mark.system

LFNS = ["LFN:/vo/run1/data.root", "/vo/run2/data.root"]


def end_of(job: Job) -> tuple[str | None, str | None, str | None]:
    """Return status, minor status and class of the error."""
    return job.last("Status"), job.last("MinorStatus"), job.last("ErrorClass")


@pytest.mark.parametrize("python", old_pythons())
def test_input_data_are_there_and_output_data_are_registered(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements, python: str
) -> None:
    for lfn in LFNS:
        catalogue.add(lfn.removeprefix("LFN:"), lfn.encode())
    script = "cat data.root 1/data.root input_data.json | tee more.json >out.txt\n"
    script += "mkdir outputs; echo '%s' >outputs/metadata.json"
    said = {"out.txt": {"Run": 7}}
    pfn = server.put_sandbox({"run.sh": (script % json.dumps(said)).encode()})
    catalogue.add("/vo/S3/more", b"more")
    job = server.add(
        7,
        executable="run.sh",
        input_sandbox=[pfn, "LFN:/vo/S3/more"],
        input_data=LFNS,
        wants_inputs=True,
        output_data=["LFN:/vo/made/out.txt", "*.json"],
    )
    finish(start(python=python))
    assert end_of(job) == ("Done", "Execution Complete", None), job.states
    listed = {"/vo/run1/data.root": "data.root", "/vo/run2/data.root": "1/data.root", "/vo/S3/more": "more"}
    content = catalogue.registered["/vo/made/out.txt"]
    assert content.startswith(b"LFN:/vo/run1/data.root/vo/run2/data.root{")
    assert json.loads(content[len("".join(LFNS)) :]) == listed
    assert set(catalogue.registered) == {"/vo/made/out.txt", "/vo/out/more.json"}
    [told] = [file for file in catalogue.said[0]["files"] if file["name"] == "LFN:/vo/made/out.txt"]
    assert told["metadata"] == {"Run": 7}
    assert job.minors() == [
        "Job Initialization",
        "Downloading InputSandbox",
        "Resolving Input Data",
        "Application",
        "Application Finished Successfully",
        "Uploading Outputs",
        "Execution Complete",
    ]
    # What opens the server for a payload never goes to storage: that has tokens of its own.
    for _, _, headers in elements.requests:
        assert headers["authorization"] == "Bearer storage-token"
        assert "job-token" not in str(headers)
        assert server.pilot_token not in str(headers)


@pytest.mark.parametrize("level", ["namespace", "user" if os.geteuid() == 0 else "clean"])
def test_files_are_the_payloads_own_behind_every_wall(
    server: StandIn, start: Start, catalogue: Catalogue, level: str
) -> None:
    if level == "namespace" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap makes the namespace of this test")
    for lfn in LFNS:
        catalogue.add(lfn.removeprefix("LFN:"), b"content")
    script = "-c 'set -e; cat data.root; echo more >>1/data.root; mv 1/data.root moved; rm input_data.json'"
    job = server.add(
        1, executable="/bin/sh", arguments=script, input_data=LFNS, wants_inputs=True, output_data=["moved"]
    )
    finish(start("--isolation", level))
    assert end_of(job) == ("Done", "Execution Complete", None), job.states
    assert server.output(1) == {"std.out": b"content"}
    assert catalogue.registered == {"/vo/out/moved": b"contentmore\n"}


def test_a_wrong_nearest_replica_falls_to_the_next(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.add("/vo/a", b"right")
    elements.contents["/NEAR/vo/a"] = b"wrong"
    job = server.add(1, executable="cat", arguments="a", input_data=["/vo/a"], wants_inputs=True)
    finish(start())
    assert end_of(job) == ("Done", "Execution Complete", None), job.states
    assert server.output(1) == {"std.out": b"right"}


def test_no_replica_left_fails_the_job_with_file_and_elements(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.add("/vo/a", b"right")
    elements.contents["/NEAR/vo/a"] = b"wrong"
    del elements.contents["/FAR/vo/a"]
    job = server.add(1, executable="cat", arguments="a", input_data=["/vo/a"], wants_inputs=True)
    finish(start())
    assert end_of(job) == ("Failed", "Input Data Not Available", "input_data")
    assert job.last("ApplicationStatus") == "/vo/a: NEAR: its sha256 is another, FAR: HTTP 404 Not Found"
    assert job.parameters["InputDataProblem"] == job.last("ApplicationStatus")
    assert "PayloadPID" not in job.parameters


@pytest.mark.long
def test_what_the_server_says_is_lost_fails_the_job(server: StandIn, start: Start, catalogue: Catalogue) -> None:
    catalogue.lost = {"/vo/a": {"code": "not-found", "detail": "there is no such file"}}
    job = server.add(1, executable="cat", arguments="a", input_data=["/vo/a"], wants_inputs=True)
    finish(start())
    assert end_of(job) == ("Failed", "Input Data Not Available", "input_data")
    assert job.last("ApplicationStatus") == "/vo/a: there is no such file"


def test_more_input_than_the_job_has_scratch_space_for_is_not_fetched(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.add("/vo/a", b"x")
    catalogue.known["/vo/a"]["size"] = 1 << 60
    small, free = (
        server.add(number, executable="cat", arguments="a", input_data=["/vo/a"], wants_inputs=True)
        for number in (1, 2)
    )
    small.document["allocated"]["scratch_mb"] = 2
    finish(start())
    assert end_of(small) == ("Failed", "Input Data Not Available", "payload")
    assert end_of(free) == ("Failed", "Input Data Not Available", "host")
    assert elements.requests == []


@pytest.mark.parametrize(
    "items",
    [
        ["out.txt", "gone.txt"],
        *(pytest.param([item], marks=pytest.mark.long) for item in ("LFN:/vo/gone", "../../secret")),
    ],
)
def test_a_job_whose_output_data_are_not_there_is_never_done(
    server: StandIn, start: Start, catalogue: Catalogue, items: list[str]
) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo here | tee out.txt'", output_data=items)
    finish(start())
    assert end_of(job) == ("Failed", "Uploading Outputs", "output_upload")
    assert job.last("ApplicationStatus") == f"not there: {items[-1]}"
    assert catalogue.said == []
    assert server.output(1)["std.out"] == b"here\n"
    assert "Done" not in {update.get("Status") for _, update in job.states}


@pytest.mark.long
def test_a_failed_payload_keeps_nothing(server: StandIn, start: Start, catalogue: Catalogue) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo here >out.txt; exit 3'", output_data=["out.txt"])
    finish(start())
    assert end_of(job) == ("Failed", "Application Finished With Errors", "payload")
    assert catalogue.said == []


def test_files_that_are_still_looked_at_leave_the_job_completed(
    server: StandIn, start: Start, catalogue: Catalogue
) -> None:
    catalogue.state = "verifying"
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo here | tee out.txt'", output_data=["out.txt"])
    finish(start())
    assert end_of(job) == ("Completed", "Pending Requests", None)
    assert server.output(1) == {"std.out": b"here\n"}


@pytest.mark.long
def test_a_server_without_the_catalogue_does_not_let_the_job_be_done(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo here >out.txt'", output_data=["out.txt"])
    server.refuses_outputs = True
    finish(start())
    assert end_of(job) == ("Failed", "Uploading Outputs", "output_upload")


@pytest.mark.parametrize("step", ["input", "output"])
def test_a_kill_ends_a_transfer_and_heartbeats_go_on_during_it(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements, step: str
) -> None:
    catalogue.add("/vo/a", b"content" * 100)
    if step == "input":
        elements.faults["/NEAR/vo/a"] = [Fault("stall", 10)]
    else:
        for se in ("NEAR", "FAR"):
            elements.faults[f"/{se}/vo/out/a"] = [Fault("status", 503)] * 9
    job = server.add(
        1, executable="/bin/true", input_data=["/vo/a"], wants_inputs=True, output_data=["a"], std_output="said"
    )
    pilot = start()
    server.wait(lambda: any(f"{step} 1 of 1: " in beat["StandardOutput"] for beat in job.heartbeats))
    count = len(job.heartbeats)
    server.wait(lambda: len(job.heartbeats) > count + 1)
    with server.changed:
        job.commands.append("Kill")
    finish(pilot, 20)
    assert job.minors()[-1] == "Received Kill signal"
    assert job.last("Status") in ("Running", "Completing")
    assert catalogue.registered == {}


@pytest.mark.long
def test_a_pilot_that_is_ended_ends_its_transfers_with_it(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.add("/vo/a", b"content" * 100)
    elements.faults["/NEAR/vo/a"] = [Fault("stall", 10)]
    job = server.add(1, executable="cat", arguments="a", input_data=["/vo/a"], wants_inputs=True)
    pilot = start()
    server.wait(lambda: any("input 1 of 1" in beat["StandardOutput"] for beat in job.heartbeats))
    pilot.send_signal(signal.SIGTERM)
    pilot.communicate(timeout=30)
    assert job.last("ErrorClass") == "pilot"
    assert "PayloadPID" not in job.parameters


def test_a_mounted_directory_serves_both_ways(
    server: StandIn, start: Start, catalogue: Catalogue, elements: Elements, tmp_path: Path
) -> None:
    catalogue.add("/vo/a", b"content", ses=("NEAR",))
    catalogue.known["/vo/a"]["replicas"][0]["request"] = {"protocol": "file", "path": str(tmp_path / "a")}
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "out").mkdir()
    catalogue.ses, catalogue.directory = ("NEAR",), str(tmp_path / "out")
    job = server.add(1, executable="cp", arguments="a b", input_data=["/vo/a"], wants_inputs=True, output_data=["b"])
    finish(start())
    assert end_of(job) == ("Done", "Execution Complete", None), job.states
    assert (tmp_path / "out" / "b").read_bytes() == b"content"
    assert elements.requests == []
