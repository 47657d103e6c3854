"""CWL from the command line against a real server: submission, checks, stored workflows, the runner without pilots."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Program, Server

from weyl.jobs.calls.lists import search
from weyl.jobs.calls.results import get_input_object
from weyl.kit.search import SearchParams

TOOL = """cwlVersion: v1.2
class: CommandLineTool
label: reco
doc: Reconstructs.
$namespaces: {dirac: "https://diracgrid.org/cwl#"}
hints:
  dirac:Job: {schema_version: "1.0"}
inputs:
  seed: {type: int, doc: Each job needs its own., inputBinding: {}}
  energy: {type: float, default: 13.6, inputBinding: {}}
  mode: {type: {type: enum, symbols: [fast, exact]}, default: fast, inputBinding: {}}
  events: {type: "File?", secondaryFiles: [.idx?], inputBinding: {}}
baseCommand: echo
stdout: said.txt
outputs: {said: stdout}
"""
FLOW = """cwlVersion: v1.2
class: Workflow
inputs: {seed: int}
steps: {one: {run: tools/reco.cwl, in: {seed: seed}, out: [said]}}
outputs: {said: {type: File, outputSource: one/said}}
"""


def jobs(server: Server, ids: list[int]) -> list[dict[str, Any]]:
    """Return the jobs as they are."""
    condition = {"parameter": "JobID", "operator": "in", "values": ids}
    with server.client() as client:
        return client.send(search(SearchParams(search=[condition])))


def inputs(server: Server, ids: list[int]) -> list[Any]:
    """Return the input objects of jobs."""
    with server.client() as client:
        return [client.send(get_input_object(job_id)) for job_id in ids]


def ids_of(text: str) -> list[int]:
    """Return the ids that a command has printed."""
    return [int(line) for line in text.split()]


@pytest.fixture
def tool(weyl: Program) -> str:
    """A document of one file."""
    return weyl.file("reco.cwl", TOOL)


def test_a_document_is_told_by_its_content(weyl: Program, server: Server) -> None:
    done = weyl("jobs", "submit", weyl.file("document", TOOL), weyl.file("in.yml", "seed: 3\n---\nseed: 4\n"), "-q")
    assert done.returncode == 0, done.stderr
    found = ids_of(done.stdout)
    assert inputs(server, found) == [{"seed": 3}, {"seed": 4}]
    assert sorted(job["JobName"] for job in jobs(server, found)) == ["reco (seed=3)", "reco (seed=4)"]
    short = weyl("submit", "document", "-q", "--", "--seed", "5")
    assert inputs(server, ids_of(short.stdout)) == [{"seed": 5}]


def test_flags_are_typed_from_the_document_and_count_above_files(weyl: Program, server: Server, tool: str) -> None:
    weyl.file("in.json", '{"seed": 1, "energy": 7}')
    words = ["--seed", "2", "--mode", "exact", "--energy", "8"]
    done = weyl("jobs", "submit", tool, "in.json", "-q", "--", *words)
    assert inputs(server, ids_of(done.stdout)) == [{"seed": 2, "energy": 8, "mode": "exact"}]
    shown = weyl("jobs", "submit", tool, "--", "--help")
    assert "--mode" in shown.stdout
    assert "fast|exact" in shown.stdout
    assert "Each job needs its own. [required]" in shown.stdout
    wrong = weyl("jobs", "submit", tool, "--", "--sead", "2")
    assert wrong.returncode == 2
    assert "Did you mean: --seed?" in wrong.stderr


def test_ranges_and_lists_make_many_jobs(weyl: Program, server: Server, tool: str) -> None:
    done = weyl("jobs", "submit", tool, "--range", "seed=2:8:3", "-q", "--", "--energy", "7")
    assert inputs(server, ids_of(done.stdout)) == [{"energy": 7, "seed": 2}, {"energy": 7, "seed": 5}]
    done = weyl(
        "jobs", "submit", tool, "--scatter", "seed=1,2", "--scatter", "mode=fast,exact", "-q",
        "--scatter-method", "flat_crossproduct",
    )  # fmt: skip
    assert [tuple(each.values()) for each in inputs(server, ids_of(done.stdout))] == [
        (1, "fast"), (1, "exact"), (2, "fast"), (2, "exact"),
    ]  # fmt: skip
    both = weyl("jobs", "submit", tool, "--range", "seed=2", "--scatter", "mode=fast")
    assert (both.returncode, "Only one of" in both.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "3"], "An input of the workflow goes after `--`: -- --seed VALUE"),
        (["--site", "LCG.Alpha.org"], "Write --hint sites=[NAME]."),
        (["--scater", "seed=1"], "See: weyl jobs submit cwl --help"),
        (["--hint", "priority=high", "--range", "seed=1"], "  --hint priority: priority must be a whole number"),
        (["--range", "sed=1"], "  --range: the document has no input 'sed'; did you mean seed? (bad-range)"),
    ],
)
def test_options_that_are_not_there_lead_to_those_that_are(
    weyl: Program, tool: str, words: list[str], said: str
) -> None:
    done = weyl("jobs", "submit", tool, *words)
    assert done.returncode in (2, 10)
    assert said in done.stderr


def test_many_jobs_are_asked_about_and_lines_of_stdin_are_objects(weyl: Program, server: Server, tool: str) -> None:
    refused = weyl("jobs", "submit", tool, "--range", "seed=101")
    assert refused.returncode == 2
    assert "101" in refused.stderr
    lines = "".join(f'{{"seed": {seed}, "energy": 1.50}}\n' for seed in range(101))
    done = weyl("jobs", "submit", tool, "-", "-q", "--yes", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert len(ids_of(done.stdout)) == 101


def test_a_dry_run_says_how_many_what_and_where(weyl: Program) -> None:
    tool = weyl.file("reco.cwl", TOOL.replace("doc: Reconstructs.", "doc: Never submitted."))
    (weyl.directory / "events").write_text("x")
    words = ["jobs", "submit", tool, "--range", "seed=5000", "--dry-run"]
    told = json.loads(weyl(*words, "-o", "json", "--", "--events", "events").stdout)
    assert told["jobs"] == 5000
    assert [each["jobs"] for each in told["classes"]] == [5000]
    assert len(told["inputs"]) == 10
    assert told["inputs"][0]["events"] == {"class": "File", "basename": "events", "size": 1}
    text = weyl(*words, "-o", "table").stdout
    assert text.startswith("# reco.cwl: 5,000 jobs, workflow ")
    assert weyl("jobs", "search", "--where", f"WorkflowID = {told['workflow_id']}", "-q").stdout == ""


def test_what_a_dry_run_prints_can_be_submitted(weyl: Program, server: Server, tool: str) -> None:
    (weyl.directory / "events").write_text("x")
    words = ("--range", "seed=1:4:2", "--hint", "priority=5", "--dry-run", "--", "--events", "events")
    weyl.file("again.yml", weyl("submit", tool, *words).stdout)
    done = weyl("submit", "again.yml", "-q")
    assert done.returncode == 0, done.stderr
    found = ids_of(done.stdout)
    assert [each["seed"] for each in inputs(server, found)] == [1, 3]
    assert all(each["events"]["class"] == "File" for each in inputs(server, found))
    assert [job["UserPriority"] for job in jobs(server, found)] == [5, 5]
    refused = weyl("submit", "again.yml", "--hint", "priority=50")
    assert (refused.returncode, "priority must be between 0 and 10" in refused.stderr) == (10, True)


def test_local_files_travel_once_for_all_jobs(weyl: Program, server: Server, tool: str) -> None:
    for name in ("events.txt", "events.txt.idx", "more.txt"):
        weyl.file(f"data/{name}", name)
    weyl.file(
        "data/in.yml",
        "seed: 1\nevents: {class: File, path: events.txt}\n---\nseed: 2\nevents: {class: File, path: more.txt}\n",
    )
    done = weyl("jobs", "submit", tool, "data/in.yml", "data/in.yml", "-q")
    assert done.returncode == 0, done.stderr
    found = inputs(server, ids_of(done.stdout))
    places = [each["events"]["location"] for each in found]
    assert places[:2] == places[2:]
    assert places[0].startswith("sandbox:/S3/")
    assert places[0].endswith("#0/events.txt")
    assert found[0]["events"]["secondaryFiles"][0]["location"] == places[0] + ".idx"
    fetched = weyl("jobs", "input", done.stdout.split()[0], "-d", "in")
    assert fetched.returncode == 0, fetched.stderr
    assert next((weyl.directory / "in").rglob("events.txt.idx")).read_text() == "events.txt.idx"
    gone = weyl("jobs", "submit", tool, weyl.file("gone.yml", "{seed: 1, events: {class: File, path: gone}}"))
    assert gone.returncode == 2
    assert "gone.yml: events: there is no file" in gone.stderr


def test_every_problem_is_told_with_its_place(weyl: Program) -> None:
    weyl.file("bad.cwl", TOOL.replace('schema_version: "1.0"', "priorty: 3, jobtype: x"))
    done = weyl("jobs", "submit", "bad.cwl", "--", "--seed", "1")
    assert done.returncode == 10
    assert "bad.cwl has 2 problems:" in done.stderr
    assert "bad.cwl:7:" in done.stderr
    assert "did you mean priority?" in done.stderr
    weyl.file("good.cwl", TOOL)
    weyl.file("in.yml", "seed: 1\n---\nseed: three\nenergie: 1\n")
    done = weyl("jobs", "submit", "good.cwl", "in.yml", "-o", "json")
    assert done.returncode == 10
    error = json.loads(done.stderr)["error"]
    assert "in.yml[2] /seed" in error["message"]
    assert {each["code"] for each in error["details"]["problems"]} == {"wrong-type", "unknown-input"}


def test_documents_keep_their_names(weyl: Program, server: Server) -> None:
    plain = TOOL.replace("label: reco\n", "").replace("inputs:", "inputs:\n  spare: int?")
    weyl.file("tools/count.cwl", plain)
    done = weyl("jobs", "submit", "tools/count.cwl", "-o", "id", "--", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert "count.cwl:8: nothing reads the input spare" in done.stderr
    assert [job["JobName"] for job in jobs(server, ids_of(done.stdout))] == ["count (seed=1)"]
    [warning] = json.loads(weyl("cwl", "validate", "tools/count.cwl", "-o", "json").stdout)
    assert warning["file"] == "tools/count.cwl"
    weyl.file("flow.cwl", FLOW)
    weyl.file("tools/reco.cwl", plain.replace("baseCommand", "requirements: {DockerRequirement: {}}\nbaseCommand"))
    done = weyl("jobs", "submit", "flow.cwl", "--", "--seed", "1")
    assert "  tools/reco.cwl:13:16: reco.cwl requires a container" in done.stderr


def test_a_dry_run_stores_no_files(weyl: Program, server: Server) -> None:
    weyl.file("dry.cwl", FLOW + "doc: Never stored.\n")
    weyl.file("tools/reco.cwl", TOOL)
    told = json.loads(weyl("jobs", "submit", "dry.cwl", "--dry-run", "-o", "json", "--", "--seed", "1").stdout)
    assert weyl("workflows", "show", told["bundle_id"]).returncode == 3


def test_several_files_become_a_bundle_that_can_be_named(weyl: Program, server: Server) -> None:
    weyl.file("flow.cwl", FLOW)
    weyl.file("tools/reco.cwl", TOOL)
    done = weyl("jobs", "submit", "flow.cwl", "-q", "--", "--seed", "1")
    assert done.returncode == 0, done.stderr
    pushed = weyl("workflows", "push", "flow.cwl", "-q").stdout.strip()
    again = weyl("jobs", "submit", pushed, "-q", "--", "--seed", "2")
    assert inputs(server, [*ids_of(done.stdout), *ids_of(again.stdout)]) == [{"seed": 1}, {"seed": 2}]
    shown = json.loads(weyl("workflows", "show", pushed, "-o", "json").stdout)
    assert (shown["bundle_id"], sorted(shown["manifest"]["files"])) == (pushed, ["flow.cwl", "tools/reco.cwl"])
    assert "tools/reco.cwl" in weyl("workflows", "show", pushed, "-o", "table").stdout
    assert json.loads(weyl("workflows", "schema", pushed, "-o", "json").stdout)["required"] == ["seed"]
    assert json.loads(weyl("workflows", "graph", pushed, "-o", "json").stdout)["nodes"]
    for form in ("dot", "mermaid"):
        assert "one" in weyl("workflows", "graph", pushed, "--format", form).stdout
    weyl.file("flow.cwl", FLOW.replace("tools/reco.cwl", "tools/gone.cwl"))
    gone = weyl("workflows", "push", "flow.cwl")
    assert (gone.returncode, "gone.cwl" in gone.stderr) == (10, True)


def test_a_document_is_checked_and_explained_without_submitting(weyl: Program, tool: str) -> None:
    good = weyl("cwl", "validate", tool)
    assert good.returncode == 0, good.stderr
    assert "is a valid CommandLineTool" in good.stderr
    weyl.file("bad.yml", "seed: three\n")
    bad = weyl("cwl", "validate", tool, "bad.yml", "-o", "json")
    assert bad.returncode == 10
    assert [each["code"] for each in json.loads(bad.stdout)] == ["wrong-type"]
    rows = json.loads(weyl("cwl", "explain", tool, "--hint", "priority=5", "-o", "json").stdout)
    assert {"Hint": "priority", "Value": 5} in [{name: row[name] for name in ("Hint", "Value")} for row in rows]
    schema = json.loads(weyl("cwl", "schema", "-o", "json").stdout)
    assert "dirac:Job" in schema["properties"]


def test_a_key_makes_one_set_of_jobs(weyl: Program, tool: str) -> None:
    words = ["jobs", "submit", tool, "--range", "seed=3", "--key", "same", "-q"]
    assert weyl(*words).stdout == weyl(*words).stdout


def test_a_runner_ends_with_33_for_what_is_not_supported_only(weyl: Program, tool: str) -> None:
    weyl.file(
        "docker.cwl", TOOL.replace("baseCommand", "requirements: {DockerRequirement: {dockerPull: x}}\nbaseCommand")
    )
    assert weyl("cwl-runner", "--quiet", "docker.cwl", "--", "--seed", "1").returncode == 33
    weyl.file("in.yml", "seed: three\n")
    for words in ([tool, "in.yml"], ["gone.cwl"], [tool, "gone.yml"], [tool]):
        done = weyl("cwl-runner", "--quiet", "--outdir=out", *words)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
    weyl.file(
        "both.cwl",
        TOOL.replace("baseCommand: echo", "requirements: {DockerRequirement: {dockerPull: x}}\nbasCommand: echo"),
    )
    assert weyl("cwl-runner", "both.cwl").returncode == 1
    assert weyl("cwl-runner", "--hint", "nothing", tool).returncode == 1
    assert weyl("cwl-runner", "--version").stdout.startswith("weyl cwl-runner ")


def test_the_runner_is_a_program_of_its_own(weyl: Program) -> None:
    program = Path(sys.executable).with_name("weyl-cwl-runner")
    done = subprocess.run([str(program), "--version"], env=weyl.environ, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("weyl cwl-runner ")


def test_a_runner_that_waits_too_long_kills_its_job(weyl: Program, server: Server, tool: str) -> None:
    done = weyl("cwl-runner", "--wait-timeout", "1s", (weyl.directory / tool).as_uri(), "--", "--seed", "77")
    assert done.returncode == 1
    assert "after 1 s" in done.stderr
    wait_for(server, job_of(done.stderr), "Killed")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_runner_that_is_ended_takes_its_job_with_it(
    weyl: Program, server: Server, tool: str, number: signal.Signals
) -> None:
    runner = weyl.start("cwl-runner", tool, "--", "--seed", "78")
    assert runner.stderr is not None
    line = runner.stderr.readline()
    while "Job " not in line:
        line = runner.stderr.readline()
    os.kill(runner.pid, number)
    runner.communicate(timeout=60)
    assert runner.returncode in (-signal.SIGKILL, 1, 130)
    wait_for(server, job_of(line), "Killed")


def job_of(text: str) -> int:
    """Return the id of the job that a runner told."""
    return int(text.partition("Job ")[2].split()[0].rstrip(":"))


def wait_for(server: Server, job_id: int, status: str) -> None:
    """Wait until a job is in a status: another process puts it there."""
    deadline = time.monotonic() + 30
    while jobs(server, [job_id])[0]["Status"] != status:
        assert time.monotonic() < deadline, jobs(server, [job_id])
        time.sleep(0.1)


def test_inputs_reach_the_server_as_they_are_written(weyl: Program, server: Server) -> None:
    weyl.file("any.cwl", TOOL.replace("type: int, doc: Each job needs its own.", "type: Any"))
    weyl.file("in.yml", "seed: [1.0E5, 017, no, 9007199254740993, null, ~, [x]]\n")
    done = weyl("jobs", "submit", "any.cwl", "in.yml", "-q")
    [job_id] = ids_of(done.stdout)
    text = weyl("api", "GET", f"/api/jobs/{job_id}/input-object").stdout
    assert json.loads(text)["seed"] == [100000.0, 17, "no", 9007199254740993, None, None, ["x"]]


def test_who_is_not_logged_in_is_told_so(weyl_as: Any, tmp_path: Path) -> None:
    nobody = weyl_as(None)
    nobody.file("reco.cwl", TOOL)
    assert nobody("jobs", "submit", "reco.cwl", "--", "--seed", "1").returncode == 4
    assert nobody("cwl-runner", "reco.cwl").returncode == 1
