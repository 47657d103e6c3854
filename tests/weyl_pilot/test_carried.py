"""CWL jobs and commands where there is no network: all that they need lies beside the bundle."""

import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.weyl_pilot.stand_in import bundle_archive
from tests.weyl_pilot.test_bundle import TIMEOUT_S, _output, _reports
from weyl.pilots.archive import ARCHIVE_NAME, pilot_archive

pytestmark = pytest.mark.system

COUNT = b"""
cwlVersion: v1.2
class: CommandLineTool
inputs: {events: {type: File, inputBinding: {}}}
outputs: {lines: stdout}
stdout: lines.txt
baseCommand: [grep, -c, ""]
"""
PFN = "/S3/box/vo/group/user/sha256:" + "a" * 64 + ".tar.zst"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory as a driver lays it out: workflow, inputs and one sandbox."""
    (tmp_path / ARCHIVE_NAME).write_bytes(pilot_archive().content)
    (tmp_path / "input-0.tar.gz").write_bytes(_tar({"events.txt": b"a\nb\nc\n"}))
    events = {"class": "File", "location": f"sandbox:{PFN}#events.txt"}
    (tmp_path / "inputs.json").write_text(json.dumps({"events": events}))
    return tmp_path


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _carry(place: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (place / f"{digest}.tar.gz").write_bytes(content)
    return {"sha256": digest, "size": len(content)}


def _run(place: Path, options: dict[str, Any], **work: Any) -> None:
    manifest, archive = bundle_archive({"main.cwl": COUNT})
    (place / "workflow.tar").write_bytes(archive)
    workflow = {"bundle": hashlib.sha256(manifest).hexdigest(), "fragment": None}
    document = {"input_sandbox": [f"SB:X|{PFN}"], "output_sandbox": [], "workflow": workflow, **work}
    job = {"job_id": 7, "allocated": {"cores": 1, "ram_mb": 1024}, "limits": {"wall_s": 600}, "work": document}
    told = {"stamp": "a" * 32, "job": job, "inputs": ["input-0.tar.gz"], "options": options}
    (place / "bundle.json").write_text(json.dumps(told))
    words = ["--bundle", "bundle.json", "--cores", "1", "--wall-s", "1800", "--report-every-s", "0.5", "--gpus", "0"]
    done = subprocess.run([sys.executable, ARCHIVE_NAME, *words], cwd=place, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0


def test_a_workflow_runs_from_what_was_sent_and_leaves_its_manifest_in_the_output(place: Path) -> None:
    _run(place, {"payload_engine": sys.prefix})
    states, _ = _reports(place)
    assert states[-1]["Status"] == "Done", states
    output = _output(place)
    assert output["outputs/lines.txt"] == b"3\n"
    manifest = json.loads(output["manifest.json"])
    assert [file["path"] for file in manifest["files"]] == ["outputs/lines.txt"]
    assert manifest["outputs"]["lines"]["location"] == "outputs/lines.txt"
    with tarfile.open(place / "output.tar.bz2") as tar:
        assert tar.getnames()[0] == "manifest.json", "the worker looks at the beginning only"


def test_archives_of_engine_and_commands_lie_beside_the_bundle(place: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip(f"python{version} of the system runs the archive of this test")
    script = b"""
import json, os, sys
if sys.argv[1] == "run":
    os.chdir(os.path.dirname(sys.argv[2]))
    json.dump({"status": "success", "outputs": {"n": os.path.exists("in/0/events.txt")}}, open("result.json", "w"))
"""
    facts = {"python": version, "machine": platform.machine(), "libc": "glibc2.17"}
    engine = {**facts, **_carry(place, _tar({"__main__.py": script}))}
    archive = _carry(place, _tar({"say.sh": b"#!/bin/sh\necho said $1\n"}))
    command = {"name": "say", "stage": "pre", "always": False, "command": ["{archive}/say.sh", "x"], "archive": archive}
    _run(place, {"engines": [engine]}, commands=[command])
    states, _ = _reports(place)
    assert states[-1]["Status"] == "Done", states
    output = _output(place)
    assert json.loads(output["manifest.json"])["outputs"] == {"n": True}
    assert output["command-say.log"] == b"said x\n"


@pytest.mark.parametrize(
    ("lost", "text"),
    [("inputs.json", "inputs.json was not sent"), ("engine", "no CWL engine"), ("bundle", "is not that of 000000")],
)
def test_what_was_not_sent_fails_the_job_because_of_its_host(place: Path, lost: str, text: str) -> None:
    if lost == "inputs.json":
        (place / lost).unlink()
    other = {"workflow": {"bundle": "0" * 64, "fragment": None}} if lost == "bundle" else {}
    _run(place, {} if lost == "engine" else {"payload_engine": sys.prefix}, **other)
    states, _ = _reports(place)
    assert (states[-1]["Status"], states[-1]["ErrorClass"]) == ("Failed", "host")
    assert text in states[-1]["ApplicationStatus"]
