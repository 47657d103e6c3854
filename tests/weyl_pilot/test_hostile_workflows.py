"""Jobs in CWL of ill will on a node, and nodes that cannot run any: with the packed pilot, and a server of the test."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import StandIn
from tests.weyl_pilot.test_isolation import SPY
from tests.weyl_pilot.test_jobs import old_pythons
from weyl_pilot.engine import TAG

pytestmark = pytest.mark.system

LEVELS = ["namespace", "user" if os.geteuid() == 0 else "clean"]
SPYING = json.dumps(
    {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "inputs": {"script": "File", "places": "string[]"},
        "outputs": {"said": "stdout"},
        "stdout": "said.txt",
        "baseCommand": "sh",
        "arguments": ["$(inputs.script)", "$(inputs.places)"],
    }
)
# Also what only a job in CWL has beside it: its engine, and what the wrapper has laid out for it.
MORE = """
for place in ../../workflow ../../in ../../workflow/main.cwl ../../in/0; do
  (echo x >"$place/written" || echo x >>"$place") 2>/dev/null && echo "wrote to $place"
done
for package in $(find / -name weyl_engine -type d 2>/dev/null); do
  (echo x >"$package/written") 2>/dev/null && echo "wrote to $package"
done
"""


@pytest.fixture(autouse=True)
def engine(server: StandIn) -> None:
    """Tells pilots to run CWL with the environment of the tests."""
    server.settings["payload_engine"] = sys.prefix


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the weaker level is the pilot's own user")
@pytest.mark.parametrize("level", LEVELS)
def test_a_payload_in_cwl_finds_nothing_of_the_pilot_and_of_other_jobs(
    server: StandIn, start: Start, work_dir: Path, level: str
) -> None:
    work = work_dir / "work"
    jobs = [work / "jobs" / number for number in ("1", "1/run", "1/token", "1/tmp")]
    places = [work_dir / "secret", work / "private", work / "private" / "cache", work / "private" / "spool", *jobs]
    pfn = server.put_sandbox({"spy.sh": SPY.replace("echo finished", MORE + "echo finished").encode()})
    server.add(1, executable="/bin/sh", arguments="-c 'echo NEIGHBOUR >mine.txt; exec sleep 90'")
    job = server.add(2, workflow=server.put_bundle(main=SPYING), input_sandbox=[pfn])
    job.document["allocated"]["ram_mb"] = 1024
    script = {"class": "File", "location": f"sandbox:{pfn.partition('|')[2]}#spy.sh"}
    job.input_object = json.dumps({"script": script, "places": [str(path) for path in places]})
    pilot = start("--isolation", level)
    server.wait(lambda: job.last("Status") in ("Done", "Failed"), 120)
    server.wait(lambda: server.jobs[1].heartbeats)
    with server.changed:
        server.jobs[1].commands.append("Kill")
    log = finish(pilot)
    assert job.last("Status") == "Done", (log, server.output(2))
    said = server.output(2)["outputs/said.txt"].decode().splitlines()
    if level == "user":
        # Nobody but a namespace keeps a payload from its own files.
        said = [line for line in said if not line.startswith("wrote to ../../")]
    assert said == ["finished"]


WRITES = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement:
    listing:
      - "${ return {class: 'Directory', basename: 'a', listing: [
          {class: 'File', basename: '../../../../../../../../../../PLACE/evil', contents: 'x'}]}; }"
inputs: []
outputs: []
baseCommand: "true"
"""


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_document_lays_out_elsewhere_meets_the_walls(
    server: StandIn, start: Start, work_dir: Path, tmp_path_factory: pytest.TempPathFactory, level: str
) -> None:
    """cwltool follows names that lead out inside of directories."""
    places = [Path("/etc"), Path("/usr"), work_dir, work_dir / "work" / "jobs", work_dir / "work" / "private"]
    for number, place in enumerate(places, start=1):
        job = server.add(number, workflow=server.put_bundle(main=WRITES.replace("PLACE", str(place))))
        job.document["allocated"]["ram_mb"] = 1024
    log = finish(start("--isolation", level, "--slots", "2"), 300)
    assert [place for place in places if (place / "evil").exists()] == []
    for number in (1, 2):
        ended = server.jobs[number]
        assert (ended.last("Status"), ended.last("ErrorClass")) == ("Failed", "payload"), log[-2000:]


def without_python(directory: Path) -> str:
    """Make a directory of all programs of this machine but Pythons that an engine could use; returns its path."""
    directory.mkdir()
    for place in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in Path(place).iterdir():
            if not program.name.startswith("python") and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


@pytest.mark.parametrize("python", [path for path in old_pythons() if "3.9" in path] or [sys.executable])
def test_a_node_whose_pythons_are_too_old_runs_jdl_and_lets_cwl_pass_by(
    server: StandIn, start: Start, work_dir: Path, python: str
) -> None:
    path = without_python(work_dir / "bin")
    for name in ("python3", "python3.9"):
        (work_dir / "bin" / name).symlink_to(python)
    del server.settings["payload_engine"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    kind = {"machine": "x86_64", "libc": "glibc2.17", "sha256": "0" * 64, "size": 9}
    server.settings["engines"] = [{"python": version, **kind}, {"python": "3.11", **kind}]
    server.settings["payload_environment"] = {"PATH": path}
    job = server.add(1, executable="/bin/echo", arguments="jdl runs")
    log = finish(start(python=python, path=path))
    assert (job.last("Status"), server.output(1)["std.out"]) == ("Done", b"jdl runs\n")
    assert not any(TAG in match["offer"]["tags"] for match in server.matches)
    assert f"needs python{version}" in log
    assert "no such Python in" in log


def test_an_engine_that_breaks_later_fails_its_host_once_and_is_offered_no_longer(
    server: StandIn, start: Start, work_dir: Path
) -> None:
    engine = work_dir / "engine-here"
    (engine / "bin").mkdir(parents=True)
    (engine / "lib").symlink_to(f"{sys.prefix}/lib")
    # It works when the pilot looks first, and breaks with its first job.
    breaks = f'case "$*" in *check*) test -e {engine}/used && exit 3;; *run*) exit 4;; esac'
    (engine / "bin" / "python3").write_text(f'#!/bin/sh\n{breaks}\nexec {sys.prefix}/bin/python3 "$@"\n')
    (engine / "bin" / "python3").chmod(0o755)
    server.settings |= {"payload_engine": str(engine), "payload_software": [sys.prefix]}
    bundle = server.put_bundle(main=WRITES)
    first, beside = server.add(1, workflow=bundle), server.add(2, executable="/bin/true")
    pilot = start("--slots", "1")
    server.wait(lambda: first.last("MinorStatus") == "Downloading InputSandbox", 120)
    (engine / "used").touch()
    log = finish(pilot)
    assert (first.last("Status"), first.last("ErrorClass")) == ("Failed", "host")
    assert "exit 3" in log
    assert beside.last("Status") == "Done"
    assert TAG in server.matches[0]["offer"]["tags"]
    assert TAG not in server.matches[-1]["offer"]["tags"]
    assert first.manifests == []


def test_a_tool_that_is_killed_is_the_jobs_own_failure(server: StandIn, start: Start) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: []
outputs: {o: stdout}
stdout: o.txt
baseCommand: [sh, -c, "echo half; kill -9 $$"]
"""
    job = server.add(1, workflow=server.put_bundle(main=document))
    job.document["allocated"]["ram_mb"] = 1024
    finish(start(), 200)
    assert (job.last("Status"), job.last("ErrorClass")) == ("Failed", "payload")
    assert job.manifests[0]["manifest"]["outputs"] == {}
    assert "outputs/o.txt" not in server.output(1)
