"""CWL jobs, from match to manifest, with the packed pilot and the real engine behind the walls."""

import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.elements import Catalogue
from tests.weyl_pilot.stand_in import Job, StandIn
from tests.weyl_pilot.test_jobs import old_pythons
from weyl_pilot.engine import TAG

pytestmark = pytest.mark.system

COUNT = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {events: {type: File, inputBinding: {position: 1}}, n: int}
outputs: {lines: {type: stdout}, tree: {type: Directory, outputBinding: {glob: tree}}, same: {type: File}}
baseCommand: [sh, -c, 'mkdir -p tree/sub; echo t >tree/sub/x; echo log >run.log; echo said >&2; grep -c "" "$0"']
stdout: lines.txt
"""
COUNT = COUNT.replace(", same: {type: File}", "")
FAILING = """
cwlVersion: v1.2
class: CommandLineTool
temporaryFailCodes: [75]
inputs: {code: {type: int, inputBinding: {}}}
outputs: []
baseCommand: [sh, -c, 'echo noted >run.log; exit $0']
"""


@pytest.fixture
def engine(server: StandIn) -> str:
    """Tells pilots to run CWL with the environment of the tests."""
    server.settings["payload_engine"] = sys.prefix
    return sys.prefix


def _add(server: StandIn, document: str, inputs: Any, **work: Any) -> Job:
    job = server.add(1, workflow=server.put_bundle(main=document), **work)
    job.document["allocated"]["ram_mb"] = 1024
    job.input_object = inputs if isinstance(inputs, str) else json.dumps(inputs)
    return job


def _offered(server: StandIn) -> list[bool]:
    return [TAG in match["offer"]["tags"] for match in server.matches]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("level", ["namespace", "user" if os.geteuid() == 0 else "clean"])
def test_a_workflow_runs_and_its_outputs_are_recorded(server: StandIn, start: Start, level: str) -> None:
    pfn = server.put_sandbox({"data/events.txt": b"a\nb\n"})
    location = f"sandbox:{pfn.partition('|')[2]}#data/events.txt"
    inputs = {"events": {"class": "File", "location": location}, "n": 1}
    job = _add(server, COUNT, inputs, input_sandbox=[pfn], output_sandbox=["std.out", "*.log", "*.none"])
    finish(start("--isolation", level), 300)
    assert (job.last("Status"), job.last("MinorStatus")) == ("Done", "Execution Complete"), job.states
    assert _offered(server)[0]
    output = server.output(1)
    assert {"outputs/lines.txt", "outputs/tree/sub/x", "work/main/run.log", "std.err", "manifest.json"} == set(output)
    [body] = job.manifests
    assert body["sandbox"] == job.outputs[-1]
    manifest = body["manifest"]
    assert json.loads(output["manifest.json"]) == manifest
    assert (manifest["v"], manifest["job_id"], manifest["status"], manifest["exit_code"]) == (1, 1, "success", 0)
    assert manifest["outputs"]["lines"]["location"] == "outputs/lines.txt"
    files = {file["path"]: file for file in manifest["files"]}
    assert set(files) == {"outputs/lines.txt", "outputs/tree/sub/x"}
    assert files["outputs/lines.txt"] == {
        "output": "lines",
        "index": 0,
        "path": "outputs/lines.txt",
        "size": 2,
        "adler32": f"{zlib.adler32(b'2' + bytes([10])):08x}",
        "sha1": hashlib.sha1(b"2\n").hexdigest(),
        "guid": files["outputs/lines.txt"]["guid"],
    }
    assert job.parameters["OutputSandboxMissingFiles"] == "*.none"
    assert b"said" in output["std.err"]


LOGICAL = """
cwlVersion: v1.2
class: CommandLineTool
inputs:
  events: {type: File, secondaryFiles: [.idx], inputBinding: {}}
  same: File
outputs:
  kept: {type: File, outputBinding: {glob: kept.txt}}
  tree: {type: Directory, outputBinding: {glob: tree}}
  here: stdout
  passed: {type: File, outputBinding: {outputEval: $(inputs.same)}}
stdout: here.txt
baseCommand: [sh, -c, 'mkdir tree; cat "$0" "$0.idx" >kept.txt; echo x >tree/x; echo here']
"""


@pytest.mark.usefixtures("engine")
def test_logical_files_come_as_paths_and_outputs_are_kept_by_their_logical_names(
    server: StandIn, start: Start, catalogue: Catalogue
) -> None:
    for lfn in ("/vo/run1/a.root", "/vo/run1/a.root.idx", "/vo/run2/a.root"):
        catalogue.add(lfn, lfn.encode())
    second = {"class": "File", "location": "LFN:/vo/run1/a.root.idx"}
    inputs = {
        "events": {"class": "File", "location": "LFN:/vo/run1/a.root", "secondaryFiles": [second]},
        "same": {"class": "File", "path": "lfn:/vo/run2/a.root"},
    }
    lfns = ["LFN:/vo/run1/a.root", "LFN:/vo/run2/a.root", "LFN:/vo/run1/a.root.idx"]
    job = _add(server, LOGICAL, inputs, input_data=lfns, wants_inputs=True, output_data=["kept", "tree"])
    finish(start(), 300)
    assert (job.last("Status"), job.last("MinorStatus")) == ("Done", "Execution Complete"), job.states
    assert catalogue.registered == {
        "/vo/out/kept.txt": b"/vo/run1/a.root/vo/run1/a.root.idx",
        "/vo/out/tree/x": b"x\n",
    }
    assert {file["output"] for file in catalogue.said[0]["files"]} == {"kept", "tree"}
    [body] = job.manifests
    outputs = body["manifest"]["outputs"]
    assert outputs["kept"]["location"] == "LFN:/vo/out/kept.txt"
    assert outputs["tree"]["location"] == "LFN:/vo/out/tree"
    assert outputs["here"]["location"] == "outputs/here.txt"
    assert outputs["passed"]["location"] == "lfn:/vo/run2/a.root"
    files = {file["output"]: file for file in body["manifest"]["files"]}
    assert (files["kept"]["lfn"], files["kept"]["se"], "path" in files["kept"]) == ("/vo/out/kept.txt", "NEAR", False)
    assert set(server.output(1)) == {"outputs/here.txt", "manifest.json", "std.err"}


@pytest.mark.usefixtures("engine")
def test_steps_are_told_while_the_job_runs_and_at_its_end(server: StandIn, start: Start) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {words: "string[]"}
outputs: []
steps:
  say:
    in: {word: words}
    scatter: word
    out: []
    run: {class: CommandLineTool, inputs: {word: {type: string, inputBinding: {}}}, outputs: [], baseCommand: echo}
"""
    job = _add(server, document, {"words": ["a", "b"]})
    finish(start(), 300)
    assert (job.last("Status"), job.last("ApplicationStatus")) == ("Done", "say[2]: completed")
    assert json.loads(job.parameters["WorkflowSteps"]) == {"say": {"state": "completed", "done": 2, "of": 2}}
    assert sorted(server.output(1)) == ["manifest.json", "std.err", "std.out"]
    assert job.manifests[0]["manifest"]["files"] == []


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("python", old_pythons())
def test_an_engine_with_its_own_python_needs_none_of_the_pilots(server: StandIn, start: Start, python: str) -> None:
    job = _add(server, FAILING, {"code": 0})
    finish(start(python=python), 300)
    assert job.last("Status") == "Done"
    assert job.manifests[0]["manifest"]["status"] == "success"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("code", "error_class"), [(3, "payload"), (75, "site")])
def test_a_failed_tool_gives_its_class_and_its_files(
    server: StandIn, start: Start, code: int, error_class: str
) -> None:
    job = _add(server, FAILING, {"code": code}, output_sandbox=["*.log"])
    finish(start(), 300)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", error_class)
    assert f"exited with status: {code}" in (job.last("ApplicationStatus") or "")
    assert server.output(1)["work/main/run.log"] == b"noted\n"
    assert job.manifests[0]["manifest"]["outputs"] == {}
    assert all(_offered(server))


@pytest.mark.usefixtures("engine")
def test_a_job_whose_outputs_are_not_recorded_is_not_done(server: StandIn, start: Start) -> None:
    server.refuses_outputs = True
    job = _add(server, FAILING, {"code": 0})
    finish(start(), 300)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "output_upload")
    assert "Another run has this job" in (job.last("ApplicationStatus") or "")


@pytest.mark.usefixtures("engine")
def test_a_pilot_that_is_killed_before_the_outputs_are_recorded_leaves_no_job_done(
    server: StandIn, start: Start
) -> None:
    server.holds_outputs = True
    job = _add(server, FAILING, {"code": 0})
    pilot = start()
    server.wait(lambda: job.manifests, 300)
    pilot.kill()
    pilot.wait()
    with server.changed:
        server.holds_outputs = False
        server.changed.notify_all()
    assert job.last("Status") in ("Running", "Completing")


@pytest.mark.usefixtures("engine")
def test_an_engine_that_is_killed_fails_its_host_and_a_sound_one_stays(server: StandIn, start: Start) -> None:
    job = _add(server, FAILING.replace("exit $0", "kill -9 $PPID; sleep 60"), {"code": 0})
    finish(start(), 300)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "host")
    assert "left no result" in (job.last("ApplicationStatus") or "")
    assert job.manifests == []
    assert all(_offered(server))


@pytest.mark.usefixtures("engine")
def test_a_bundle_with_another_content_is_not_run(server: StandIn, start: Start) -> None:
    job = _add(server, FAILING, {"code": 0})
    bundle = job.document["work"]["workflow"]["bundle"]
    server.archives[bundle] = server.archives[bundle].replace(b"exit $0", b"exit  0")
    finish(start(), 300)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "host")
    assert "main.cwl of the workflow is not what was submitted" in (job.last("ApplicationStatus") or "")


def test_a_node_without_an_engine_offers_none_and_runs_other_jobs(server: StandIn, start: Start) -> None:
    server.settings["engines"] = [
        {"python": "3.2", "machine": "x86_64", "libc": "glibc2.2", "sha256": "0" * 64, "size": 9}
    ]
    job = server.add(1, executable="/bin/true")
    log = finish(start())
    assert job.last("Status") == "Done"
    assert not any(_offered(server))
    assert "no such Python" in log
    server.settings.pop("engines")


def test_a_directory_whose_engine_does_not_work_is_not_offered(server: StandIn, start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text("#!/bin/sh\necho it is broken; exit 3\n")
    (tmp_path / "bin/python3").chmod(0o755)
    server.settings["payload_engine"] = str(tmp_path)
    log = finish(start())
    assert not any(_offered(server))
    assert "does not work behind the walls: exit 3" in log or "No such file" in log or "Permission" in log


RUNS = """
import json, os, sys
print(__file__, os.access(__file__, os.W_OK))
if sys.argv[1] == "run":
    job = json.load(open(sys.argv[2]))
    os.chdir(os.path.dirname(sys.argv[2]))
    json.dump({"status": "success", "exit_code": 0, "outputs": {"n": job["cores"]}}, open("result.json", "w"))
"""
FAILS = "import sys; sys.exit('no library here')"


def _packed(script: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in (("__main__.py", script), ("engine.json", "{}")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _offer_archive(server: StandIn, script: str) -> dict[str, Any]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip(f"python{version} of the system runs the archive of this test")
    facts = {"python": version, "machine": platform.machine(), "libc": "glibc2.17"}
    archive = {**facts, **server.put_archive(_packed(script))}
    server.settings["engines"] = [{**archive, "python": "3.2"}, archive]
    return archive


@pytest.mark.parametrize("level", ["namespace", "user" if os.geteuid() == 0 else "clean"])
def test_an_archive_is_fetched_once_and_read_only(server: StandIn, start: Start, level: str) -> None:
    archive = _offer_archive(server, RUNS)
    job = _add(server, FAILING, {})
    server.add(2, workflow=job.document["work"]["workflow"])
    log = finish(start("--isolation", level, "--slots", "1"))
    assert [server.jobs[number].last("Status") for number in (1, 2)] == ["Done", "Done"], log
    assert server.requests.count(("GET", f"/api/pilots/engines/{archive['sha256']}")) == 1
    assert job.manifests[0]["manifest"]["outputs"] == {"n": 1}
    place = "/run/weyl/engine/__main__.py" if level == "namespace" else archive["sha256"]
    assert place in server.output(1)["std.out"].decode()
    assert os.geteuid() != 0 or "False" in server.output(1)["std.out"].decode()
    bundles = [path for _, path in server.requests if path.startswith("/api/workflows/")]
    assert len(bundles) == 1


@pytest.mark.parametrize("trouble", ["does not work here", pytest.param("cannot be fetched", marks=pytest.mark.long)])
def test_an_archive_that_is_no_good_takes_the_tag_away(server: StandIn, start: Start, trouble: str) -> None:
    archive = _offer_archive(server, FAILS)
    if trouble == "cannot be fetched":
        server.archives[archive["sha256"]] = _packed(RUNS)
    job = _add(server, FAILING, {})
    log = finish(start("--empty-max", "2", "--slots", "1"))
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "host")
    assert trouble in (job.last("ApplicationStatus") or ""), log
    assert _offered(server)[0]
    assert not _offered(server)[-1]
