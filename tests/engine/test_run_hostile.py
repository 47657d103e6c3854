"""Documents that write and read outside of their job's directory: each fails as its own fault, and nothing is there.

What a tool's own program does is the business of the walls (`tests/weyl_pilot/test_hostile_workflows.py`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.engine.workplace import SANDBOX
from tests.infra import pace

# All cases run once, for the worker that has them.
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("engine-hostile")]

# The engine takes a second to be imported, so that one process forks for all cases.
RUN_ALL = """
import os, sys, traceback
from cwltool.process import get_schema
from weyl_engine.running import run
get_schema("v1.2")
for base in sys.argv[1:]:
    if os.fork() == 0:
        os.environ["TMPDIR"], os.environ["HOME"] = base + "/tmp", base
        for number, name in ((1, "std.out"), (2, "std.err")):
            os.dup2(os.open(base + "/" + name, os.O_WRONLY | os.O_CREAT), number)
        try:
            run.main([base + "/job.json"])
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def tool(more: str, command: str = "true", outputs: str = "{}") -> str:
    return f"""
cwlVersion: v1.2
class: CommandLineTool
{more}
inputs: {{f: {{type: File}}, d: {{type: Directory}}}}
outputs: {outputs}
baseCommand: [sh, -c, '{command}']
"""


def workdir(entry: str) -> str:
    return tool(
        f"requirements: {{InlineJavascriptRequirement: {{}}, InitialWorkDirRequirement: {{listing: [{entry}]}}}}"
    )


def reported(value: str) -> str:
    """Return a tool that says itself what it puts out."""
    kind = "Directory" if '"Directory"' in value else "File"
    return tool(
        "", f"echo a >a; echo {json.dumps(json.dumps({'o': json.loads(value)}))} >cwl.output.json", f"{{o: {kind}}}"
    )


def made(value: str) -> str:
    """Return an expression that makes up what it puts out."""
    return f"""
cwlVersion: v1.2
class: ExpressionTool
requirements: {{InlineJavascriptRequirement: {{}}}}
inputs: {{f: {{type: File}}, d: {{type: Directory}}}}
outputs: {{o: Any}}
expression: {json.dumps("${ return {o: " + value + "}; }")}
"""


FAIL = {
    "entry name above": workdir("{entryname: '../../evil', entry: x}"),
    "entry name far above": workdir("{entryname: 'a/../../../evil', entry: x}"),
    "absolute entry name": workdir("{entryname: 'BASE/evil', entry: x}"),
    "absolute entry name of a file": workdir("{entryname: 'BASE/evil', entry: $(inputs.f), writable: true}"),
    "entry name of an expression": workdir("{entryname: \"$('../../' + 'evil')\", entry: x}"),
    "base name above": workdir("\"${ return {class: 'File', basename: '../../evil', contents: 'x'}; }\""),
    "base name of a directory": workdir("\"${ return {class: 'Directory', basename: '../../evil', listing: []}; }\""),
    "standard output above": tool("stdout: ../../evil", "echo x", "{o: stdout}"),
    "absolute standard output": tool("stdout: BASE/evil", "echo x", "{o: stdout}"),
    "absolute pattern": tool("", outputs="{o: {type: File, outputBinding: {glob: /etc/hostname}}}"),
    "link to a file of the host": tool("", "ln -s /etc/hostname o", "{o: {type: File, outputBinding: {glob: o}}}"),
    "link in a directory": tool(
        "", "mkdir o; ln -s /etc/passwd o/x", "{o: {type: Directory, outputBinding: {glob: o}}}"
    ),
    "link to a directory": tool("", "ln -s /etc o", "{o: {type: Directory, outputBinding: {glob: o}}}"),
    "reported file of the host": reported('{"class": "File", "path": "/etc/passwd"}'),
    "reported location": reported('{"class": "File", "location": "file:///etc/passwd"}'),
    "reported number": reported('{"class": "File", "path": 5}'),
    "reported directory of the host": reported('{"class": "Directory", "path": "/etc"}'),
    "made up file of the host": made('{"class": "File", "location": "file:///etc/passwd"}'),
    "made up path": made('{"class": "File", "path": "/etc/passwd"}'),
    "made up number": made('{"class": "File", "location": 5}'),
    "made up NUL": made('{"class": "File", "location": "file:///etc/pass%00wd"}'),
    "made up literal above": made(
        '{"class": "Directory", "basename": "x", "listing": [{"class": "File", "basename": "..", "contents": "x"}]}'
    ),
    "made up long name": made('{"class": "File", "basename": "x".repeat(5000), "contents": "x"}'),
    "made up twins": made(
        '{"class": "Directory", "basename": "x", "listing": [{"class": "File", "basename": "a", "contents": "x"},'
        ' {"class": "Directory", "basename": "a", "listing": []}]}'
    ),
    "made up listing": made('{"class": "Directory", "basename": "x", "listing": [5, null]}'),
}
PASS = {
    # The directory of the job is its own.
    "pattern above": tool("", outputs="{o: {type: File, outputBinding: {glob: ../../job.json}}}"),
    "link to a file of the job": tool("", "ln -s ../../job.json o", "{o: {type: File, outputBinding: {glob: o}}}"),
    "reported path above": reported('{"class": "File", "path": "../../job.json"}'),
    "literal above": made('{"class": "File", "basename": "../../evil", "contents": "x"}'),
    "literal two dots": made('{"class": "File", "basename": "..", "contents": "x"}'),
    "reported name": reported('{"class": "File", "path": "a", "basename": "../../evil"}'),
}
DOCUMENTS = {**FAIL, **PASS}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The directories of all cases, after their runs."""
    top = tmp_path_factory.mktemp("hostile")
    places = {name: top / str(number) / "jobs" / "run" for number, name in enumerate(DOCUMENTS)}
    for name, base in places.items():
        for each in ("workflow", "in/0/d", "tmp"):
            (base / each).mkdir(parents=True)
        (base / "in/0/f").write_text("f")
        (base / "in/0/d/x").write_text("x")
        (base / "workflow/main.cwl").write_text(DOCUMENTS[name].replace("BASE", str(base.parent)))
        given = {
            "f": {"class": "File", "location": f"sandbox:{SANDBOX}#f"},
            "d": {"class": "Directory", "location": f"sandbox:{SANDBOX}#d/"},
        }
        (base / "inputs.json").write_text(json.dumps(given))
        sandboxes = {SANDBOX: {"directory": "in/0"}}
        job = {"entry": "main.cwl", "fragment": None, "sandboxes": sandboxes, "cores": 1, "ram_mb": 1024}
        (base / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-I", "-c", RUN_ALL, *map(str, places.values())],
        env={"PATH": "/usr/bin:/bin"},
        cwd=top,
        check=True,
        timeout=200 * pace.factor(),
    )
    return places


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_leads_out_of_the_job_is_its_own_fault_and_touches_nothing(ran: dict[str, Path], name: str) -> None:
    base = ran[name]
    told = (base / "std.err").read_text()
    assert (base / "result.json").is_file(), told
    result: dict[str, Any] = json.loads((base / "result.json").read_text())
    print(name, result, told[-1500:])
    assert result["status"] == ("success" if name in PASS else "permanentFail")
    assert "root:" not in json.dumps(result)
    assert [path.name for path in base.parent.iterdir()] == ["run"]
    places = (base / "outputs", *(base / "work").glob("*"))
    assert not [path for path in base.rglob("evil") if path.parent not in places]
    assert (base / "in/0/f").read_text() == "f"
    for path in (base / "outputs").rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(base / "outputs")
