"""What scripts rely on: the JSON of every command that reads is frozen in files, and the guide's programs run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from tests.flows.shapes import broken, shape
from tests.infra.stack import login
from tests.infra.waiting import await_that
from weyl.cli.tree import ENTRIES, root_command
from weyl.demo.stack import Stack

# One installation for all of them.
pytestmark = pytest.mark.xdist_group("golden")

GOLDEN = Path(__file__).parent / "golden"
GUIDE = Path(__file__).parents[2] / "docs" / "user"
# Set it to write the files anew; then look at what git says has changed, and tell users.
WRITE = bool(os.environ.get("WEYL_WRITE_GOLDEN"))

READING = {
    *("list", "show", "search", "summary", "status", "history", "schedules", "locks", "submission", "peek", "why"),
    *("whoami", "version", "doctor", "dump", "output", "input", "get"),
    *("ls", "find", "stat", "replicas", "url", "du", "elements", "groups"),
}
# Command -> words; `{job}` and the like are filled in.
CASES = {
    "whoami": "whoami",
    "version": "version",
    "doctor": "doctor",
    "logins list": "logins list",
    "jobs search": "jobs search",
    "jobs summary": "jobs summary --by Status,Site",
    "jobs groups": "jobs groups",
    "jobs show": "jobs show {job} {waiting}",
    "jobs show --history": "jobs show {job} --history",
    "jobs show --params": "jobs show {job} --params",
    "jobs show --files": "jobs show {job} --files",
    "jobs status": "jobs status {job}",
    "jobs output": "jobs output {job} -d output",
    "jobs input": "jobs input {job} -d input",
    "jobs sandbox list": "jobs sandbox list {job}",
    "jobs sandbox get": "jobs sandbox get {job} -d sandbox",
    "jobs sandbox peek": "jobs sandbox peek {job}",
    "jobs submit": "jobs submit hello.jdl",
    "jobs submit --dry-run": "jobs submit hello.jdl --dry-run",
    "jobs why": "jobs why {waiting}",
    "accounting jobs": "accounting jobs --by site,status --bucket day",
    "pilots search": "pilots search --all",
    "pilots summary": "pilots summary --by Status",
    "pilots show": "pilots show {stamp}",
    "pilots submission": "pilots submission",
    "pilots why": "pilots why {stamp}",
    "task-queues list": "task-queues list",
    "task-queues show": "task-queues show {queue}",
    "sites list": "sites list",
    "sites show": "sites show DIRAC.Laptop.org",
    "sites why": "sites why DIRAC.Laptop.org",
    "ces why": "ces why laptop",
    "ces list": "ces list",
    "ces show": "ces show laptop",
    "ses list": "ses list",
    "ses show": "ses show DEMO-DISK",
    "ses why": "ses why DEMO-DISK",
    "fts list": "fts list",
    "tasks list": "tasks list",
    "tasks schedules": "tasks schedules",
    "tasks locks": "tasks locks",
    "tasks dead list": "tasks dead list",
    "config dump": "config dump",
    "config show": "config show DIRAC",
    "config history": "config history",
    "operations list": "operations list",
    "jobs failures list": "jobs failures list",
    "workflows show": "workflows show {workflow}",
    "data ls": "data ls -R {home}",
    "data find": "data find Golden=7 --parameter Golden --parameter SE",
    "data find --by": "data find Golden=7 --by SE",
    "data stat": "data stat {home}/hello.sh",
    "data replicas": "data replicas {home}/hello.sh",
    "data url": "data url {home}/hello.sh",
    "data du": "data du {home}",
    "data du --elements": "data du {home} --elements",
    "data meta get": "data meta get {home}/hello.sh",
    "data fields list": "data fields list",
    "data elements": "data elements",
    "data get": "data get {home}/hello.sh -d data",
    # The last, for others look at the job that waits.
    "jobs kill": "jobs kill {waiting} --yes",
}
# Deeper than this the keys are names that somebody chose.
DEPTHS = {"config dump": 1, "config show": 1, "task-queues list": 1, "task-queues show": 1, "whoami": 1}
DEPTHS |= {"jobs submit --dry-run": 1, "jobs show --params": 1}
# Nothing of this kind exists on a healthy small installation.
EMPTY = {"tasks locks", "tasks dead list", "fts list", "operations list", "jobs failures list"}
# Tasks that run just now hold some for a moment.
FLEETING = {"tasks locks"}
WITHOUT = {
    "jobs peek": "prints text",
    "fts why": "no transfer servers are here: the document is that of a site",
    "fts show": "no transfer servers are here: the row is that of a site",
    **dict.fromkeys([f"{noun} history" for noun in ("sites", "ces", "ses", "fts")], "nothing was ever closed here"),
    "operations show": "nothing was done to many jobs here: tests/cli/test_bulk.py has the document",
    "tasks dead show": "nothing is dead here: tests/cli/test_tasks.py has the document",
}
JDL = """Executable = "hello.sh"; InputSandbox = {"hello.sh"}; JobName = "hello";
StdOutput = "std.out"; StdError = "std.err"; OutputSandbox = {"std.out", "std.err"}; OutputData = {"hello.txt"};"""
CWL = """cwlVersion: v1.2
class: CommandLineTool
inputs: {name: string}
outputs: {said: {type: stdout}}
baseCommand: echo
stdout: said.txt
"""


class Reader:
    """A person who may see everything, at a terminal of their own."""

    def __init__(self, stack: Stack) -> None:
        self.directory = stack.files.directory / "reader"
        self.directory.mkdir()
        credentials = login(stack, "ada", vo="hep", group="admin")
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
        self.environ |= {"WEYL_URL": stack.url, "WEYL_CREDENTIALS_PATH": str(credentials), "HOME": str(self.directory)}
        self.names: dict[str, str] = {}

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs Python as this person."""
        return subprocess.run(
            [sys.executable, *words],
            env=self.environ,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def read(self, words: str) -> Any:
        """Runs a command and returns its JSON."""
        # Before the command: what comes after `--` belongs to the job.
        result = self.python("-m", "weyl", "-o", "json", *words.format(**self.names).split())
        assert result.returncode == 0, (words, result.stderr)
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def reader(stack: Stack) -> Reader:
    """A reader, after one job has come home and another waits for a machine that there is not."""
    reader = Reader(stack)
    (reader.directory / "hello.sh").write_text("#!/bin/sh\necho hello | tee hello.txt; echo oops >&2\n")
    (reader.directory / "hello.sh").chmod(0o755)
    (reader.directory / "hello.jdl").write_text(JDL)
    (reader.directory / "hello.cwl").write_text(CWL)
    [job] = reader.read("jobs submit hello.jdl")
    [waiting] = reader.read("jobs submit cmd --cores 500 -- /bin/true")
    reader.names = {"job": str(job["JobID"]), "waiting": str(waiting["JobID"])}
    reader.read("jobs wait {job} --timeout 5m")
    reader.read("jobs wait {waiting} --for Waiting --timeout 5m")
    # What pilots offer is written down every few seconds; until then nothing is known that could run a job.
    await_that(
        lambda: not reader.read("jobs submit hello.jdl --dry-run")[0]["warnings"], "an offer that is written down"
    )
    [pilot] = reader.read("pilots search --where JobID={job}")
    [queue, *_] = reader.read("task-queues list")
    [workflow] = reader.read("workflows push hello.cwl")
    home = "/hep/user/a/ada"
    reader.read("data fields add Golden --type int")
    reader.read(f"data put hello.sh {home}/golden/hello.sh --meta Golden=7")
    reader.names["home"] = f"{home}/golden"
    reader.names |= {"stamp": pilot["PilotStamp"], "queue": str(queue["class_id"]), "workflow": workflow["bundle_id"]}
    return reader


@pytest.mark.parametrize("command", CASES)
def test_the_json_of_a_command_is_as_scripts_know_it(reader: Reader, command: str) -> None:
    def read() -> object:
        return shape(reader.read(CASES[command]), depth=DEPTHS.get(command, 9))

    if command in FLEETING:
        await_that(lambda: not read(), "an empty list")
    found = read()
    path = GOLDEN / (re.sub(r"\W+", "-", command) + ".json")
    if WRITE:
        path.write_text(json.dumps(found, indent=2) + "\n")
    frozen = json.loads(path.read_text())
    assert (frozen != []) or command in EMPTY
    assert broken(frozen, found) == []


def test_every_command_that_reads_is_frozen() -> None:
    def leaves(group: Any, path: str) -> Iterator[str]:
        for name in group.list_commands(None):
            if path or ENTRIES[name].extra is None:
                command = group.get_command(None, name)
                yield from leaves(command, f"{path} {name}") if isinstance(command, TyperGroup) else [f"{path} {name}"]

    reading = {path.strip() for path in leaves(root_command(), "") if path.split()[-1] in READING}
    # The short forms at the root are the commands of `jobs`.
    missing = {path for path in reading - CASES.keys() - WITHOUT.keys() if f"jobs {path}" not in CASES}
    assert missing == set()


@pytest.mark.parametrize(
    ("frozen", "found", "faults"),
    [
        ({"JobID": "integer"}, {"JobID": "integer"}, 0),
        ({"Site": "null|string"}, {"Site": "null"}, 0),
        ({"JobID": "integer"}, {"JobID": "string"}, 1),
        ({"JobID": "integer"}, {"job_id": "integer"}, 2),
        ({"A": ["integer"]}, {"A": []}, 1),
        ([{"A": "time"}], [{"A": "time", "B": "string"}], 1),
    ],
)
def test_what_would_break_a_script_is_noticed(frozen: Any, found: Any, faults: int) -> None:
    assert len(broken(frozen, found)) == faults


PAGES = ("python.md", "python-client.md", "command-line.md")
PROGRAMS = [
    (page, number, program)
    for page in PAGES
    for number, program in enumerate(re.findall(r"^```python\n(.*?)^```", (GUIDE / page).read_text(), re.M | re.S))
]


@pytest.mark.parametrize(
    "program", [program for *_, program in PROGRAMS], ids=[f"{page}-{number}" for page, number, _ in PROGRAMS]
)
def test_a_program_of_the_guide_runs_as_it_stands(reader: Reader, program: str) -> None:
    (reader.directory / "run.sh").write_text("#!/bin/sh\necho $1 > $1.root\n")
    (reader.directory / "run.sh").chmod(0o755)
    # The notebook makes as many jobs as it says.
    fewer = program.replace("range(50)", "range(3)").replace("Parameters = 50", "Parameters = 3")
    result = reader.python("-W", "error", "-c", fewer)
    assert result.returncode == 0, result.stderr


def test_a_program_of_a_scientist_finds_what_it_expects(reader: Reader) -> None:
    result = reader.python("-W", "error", str(Path(__file__).with_name("python_program.py")))
    assert result.returncode == 0, result.stderr


def test_the_notebook_runs_to_its_end(reader: Reader) -> None:
    source = GUIDE.parents[1] / "examples" / "notebooks" / "jobs.ipynb"
    notebook = reader.directory / source.name
    notebook.write_bytes(source.read_bytes())
    run = "import nbclient.cli; nbclient.cli.main()"
    result = reader.python("-c", run, "--inplace", "--timeout=300", str(notebook))
    assert result.returncode == 0, result.stderr
    cells = json.loads(notebook.read_text())["cells"]
    seen = json.dumps([cell.get("outputs") for cell in cells])
    assert "50 of 50 ended" in seen
    assert "3 of 100 inputs have failed: 0, 40, 80" in seen
    assert "ZeroDivisionError: division by zero" in seen


def test_the_guide_has_a_program_for_sync_and_for_async() -> None:
    text = "".join(program for *_, program in PROGRAMS)
    assert "with Client() as" in text
    assert "async with AsyncClient() as" in text
