"""The wrapper where there is no network: a bundle in, reports and a packed output out, by the program as it is sent."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.infra.waiting import await_that
from tests.weyl_pilot.test_shares import needs_memory_groups
from weyl.pilots.archive import ARCHIVE_NAME, pilot_archive
from weyl.pilots.output_data import read_output_data

TIMEOUT_S = 120


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory as a driver lays it out."""
    (tmp_path / ARCHIVE_NAME).write_bytes(pilot_archive().content)
    return tmp_path


def _bundle(
    place: Path,
    command: str,
    *,
    has_network: bool = False,
    gpus: int = 0,
    more: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **limits: Any,
) -> list[str]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:bz2") as tar:
        entry = tarfile.TarInfo("input.txt")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"input"))
    (place / "input-0.tar.bz2").write_bytes(stream.getvalue())
    work = {
        "executable": "/bin/sh",
        "arguments": ["-c", command],
        "std_output": "std.out",
        "input_sandbox": ["SB:X|/S3/x"],
        "output_sandbox": ["std.out", "result.txt"],
        **(more or {}),
    }
    job = {"job_id": 7, "allocated": {"cores": 1, "gpus": gpus}, "limits": {"wall_s": 600, **limits}, "work": work}
    (place / "bundle.json").write_text(
        json.dumps({"stamp": "a" * 32, "job": job, "inputs": ["input-0.tar.bz2"], "options": {}, "data": data or {}})
    )
    options = [
        "--bundle",
        "bundle.json",
        "--cores",
        "1",
        "--wall-s",
        "1800",
        "--report-every-s",
        "0.5",
        "--gpus",
        str(gpus),
    ]
    # No network at all, as on the nodes that this is for.
    walls = ["bwrap", "--unshare-net", "--dev-bind", "/", "/"] if os.geteuid() == 0 and not has_network else []
    return [*walls, sys.executable, ARCHIVE_NAME, *options]


def _reports(place: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    states, parameters = {}, {}
    for line in (place / "reports.jsonl").read_text().splitlines():
        document = json.loads(line)
        states.update(document.get("status") or {})
        parameters.update(document.get("parameters") or {})
    return [states[at] for at in sorted(states)], parameters


def _output(place: Path) -> dict[str, bytes]:
    with tarfile.open(place / "output.tar.bz2") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def test_files_of_the_catalogue_travel_beside_the_bundle_both_ways(place: Path) -> None:
    (place / "data-0").write_bytes(b"event")
    data = {"/vo/a": {"file": "data-0", "size": 5, "checksums": {"sha256": hashlib.sha256(b"event").hexdigest()}}}
    more = {"input_data": ["LFN:/vo/a"], "wants_inputs": True, "output_data": ["made"], "wants_outputs": True}
    command = _bundle(place, "cp a made; cat input_data.json", more=more, data=data)
    subprocess.run(command, cwd=place, timeout=TIMEOUT_S, check=True)
    states, _ = _reports(place)
    minors = [state["MinorStatus"] for state in states if "MinorStatus" in state]
    assert (states[-1].get("Status"), minors[-4:]) == (
        "Done",
        ["Uploading Outputs", "Uploading Output Sandbox", "Output Sandbox Uploaded", "Execution Complete"],
    )
    content = (place / "output-data.tar").read_bytes()
    [(product, offset)] = read_output_data(content)
    assert (product.name, content[offset : offset + product.size]) == ("made", b"event")
    assert json.loads(_output(place)["std.out"]) == {"/vo/a": "a"}


def test_more_output_data_than_is_carried_fail_the_job_clearly(place: Path) -> None:
    more = {"output_data": ["made"]}
    command = _bundle(place, "truncate -s 101M made", more=more)
    subprocess.run(command, cwd=place, timeout=TIMEOUT_S, check=True)
    states, parameters = _reports(place)
    assert (states[-1]["Status"], states[-1]["ErrorClass"]) == ("Failed", "output_upload")
    assert "101 MiB: from a node without a network no more than 100 MiB" in parameters["OutputDataProblem"]
    assert not (place / "output-data.tar").exists()


def test_a_job_runs_and_leaves_everything_as_files(place: Path) -> None:
    command = "cat input.txt; echo x >result.txt; env; awk 'NR > 1 { print \"has a route\" }' /proc/net/route"
    done = subprocess.run(_bundle(place, command), cwd=place, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0
    states, parameters = _reports(place)
    assert [state["Status"] for state in states if "Status" in state] == ["Running", "Running", "Completing", "Done"]
    assert parameters["PayloadExitCode"] == 0
    text = _output(place)["std.out"].decode()
    assert text.startswith("input")
    assert "WEYL_JOB_TOKEN_FILE" not in text
    assert os.geteuid() != 0 or "has a route" not in text
    assert _output(place)["result.txt"] == b"x\n"
    assert not (place / "jobs").exists()


FAKE = """#!/bin/sh
case $1 in --query*) printf '0, GPU-{name}, 8.0, 40960\\n';; *) echo "| CUDA Version: 12.4 |";; esac
"""


def _with_gpu(place: Path, command: list[str]) -> tuple[list[str], dict[str, str]]:
    """A machine with one GPU, of which nobody has heard before: its device file, and the program that lists it."""
    program, device = place / "bin" / "nvidia-smi", place / "nvidia0"
    program.parent.mkdir()
    program.write_text(FAKE.format(name=place.name))
    program.chmod(0o755)
    device.touch()
    walls = ["bwrap", "--dev-bind", "/", "/", "--dev", "/dev", "--bind", str(device), "/dev/nvidia0"]
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return [*walls, *command], {**environment, "PATH": f"{program.parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a machine a device file")
def test_a_job_sees_its_gpus_and_one_without_sees_none(place: Path) -> None:
    look = "echo $CUDA_VISIBLE_DEVICES; ls /dev/nvidia0"
    command, environment = _with_gpu(place, _bundle(place, look, has_network=True, gpus=1))
    assert subprocess.run(command, cwd=place, env=environment, timeout=TIMEOUT_S, check=False).returncode == 0
    assert _output(place)["std.out"].decode().split() == [f"GPU-{place.name}", "/dev/nvidia0"]
    (place / "reports.jsonl").unlink()
    plain = _bundle(place, look + "; true", has_network=True)
    assert subprocess.run([*command[: -len(plain)], *plain], cwd=place, env=environment, check=False).returncode == 0
    assert _output(place)["std.out"].decode().split() == []


def test_a_job_whose_gpus_are_not_there_fails_because_of_its_host(place: Path) -> None:
    done = subprocess.run(_bundle(place, "true", gpus=2), cwd=place, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0
    states, _ = _reports(place)
    assert (states[-1]["Status"], states[-1]["ErrorClass"]) == ("Failed", "host")
    assert states[-1]["ApplicationStatus"] == "2 GPUs are its own, and 0 of them are free here"


def test_a_failure_and_a_limit_of_time_are_reported_and_the_exit_code_is_good(place: Path) -> None:
    done = subprocess.run(_bundle(place, "echo so far; exit 3"), cwd=place, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0
    states, parameters = _reports(place)
    assert (states[-1]["Status"], states[-1]["ErrorClass"], parameters["PayloadExitCode"]) == ("Failed", "payload", 3)
    assert "weyl-wrapper.txt" in _output(place)


@needs_memory_groups
def test_memory_is_kept_with_the_reason(place: Path) -> None:
    hog = "python3 -c 'x = bytearray(600 << 20); x[::4096] = b\"1\" * len(x[::4096]); import time; time.sleep(60)'"
    done = subprocess.run(_bundle(place, hog, ram_mb=128), cwd=place, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0
    states, _ = _reports(place)
    assert (states[-1]["Status"], states[-1]["ErrorClass"]) == ("Failed", "memory")
    assert states[-1]["MinorStatus"] == "Job has exceeded its memory limit"


def test_whoever_ends_it_gets_reports_and_output_nevertheless(place: Path) -> None:
    process = subprocess.Popen(_bundle(place, "echo begun; sleep 300", has_network=True), cwd=place)
    try:
        beat = place / "heartbeat.json"
        await_that(lambda: beat.exists() and "begun" in beat.read_text(), "the first output", timeout_s=TIMEOUT_S)
        assert json.loads(beat.read_text())["number"] >= 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
    states, _ = _reports(place)
    assert (states[-1]["Status"], states[-1]["MinorStatus"]) == ("Failed", "Received Kill signal")
    assert _output(place)["std.out"] == b"begun\n"


def test_a_bundle_or_an_address_is_needed(place: Path) -> None:
    done = subprocess.run([sys.executable, ARCHIVE_NAME], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--url and --secret-file are needed, or else --bundle" in done.stderr
