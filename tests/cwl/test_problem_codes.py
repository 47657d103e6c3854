"""Every code of a problem has a document or a submission that leads to it, and to nothing else."""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cwl.conftest import ECHO, Post

from weyl.cwl.problems import CODES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "developer" / "cwl.md"
DIRAC = '$namespaces: {dirac: "https://diracgrid.org/cwl#"}\n'
SECRET = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def echo(*lines: str, old: str = "", new: str = "") -> str:
    text = ECHO.replace(old, new) if old else ECHO
    assert not old or text != ECHO
    return "".join(f"{line}\n" for line in lines) + text


def hinted(value: str) -> str:
    return DIRAC + echo(f"hints: {{dirac:Job: {value}}}")


def required(value: str) -> str:
    return echo(f"requirements: {value}")


def step(run: str) -> str:
    return f"""\
cwlVersion: v1.2
class: Workflow
inputs: []
outputs: []
steps: {{a: {{run: {run}, in: [], out: []}}}}
"""


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    return "\n".join(lines)


DOCUMENTS: Mapping[str, str] = {
    "not-yaml": "a: [",
    "not-cwl": "cwlVersion: v1.2\n",
    "cwl-version": echo(old="v1.2", new="v9.9"),
    "too-large": bomb(),
    "unresolved-run": step("other.cwl"),
    "escapes-bundle": step("http://169.254.169.254/x.cwl"),
    "no-entry": "cwlVersion: v1.2\n$graph: [{id: one, class: CommandLineTool, inputs: [], outputs: []}]\n",
    "invalid": echo(old="type: int,", new="type: [int, float, 3],"),
    "schema": hinted("{prio: 3}"),
    "old-hint": hinted("{matcher: [x]}"),
    "unknown-job-type": hinted("{job_type: Tset}"),
    "contradiction": DIRAC
    + echo(
        "hints: {dirac:Job: {requirements_template: {cpu: {num_cores: {min: 1, max: 1}}}}}",
        "requirements: {ResourceRequirement: {coresMin: 2}}",
    ),
    "requirements": hinted("{requirements_template: {cpu: {num_cores: {min: many}}}}"),
    "unsupported-requirement": required("{DockerRequirement: {dockerPull: debian}}"),
    "unknown-package": echo("hints: {SoftwareRequirement: {packages: {root: {}}}}"),
    "dynamic-requirement": required("{ResourceRequirement: {ramMin: $(runtime.cores)}}"),
    "bad-expression": echo(
        "requirements: {ResourceRequirement: {ramMin: $(inputs.name)}}", old="inputs:", new="inputs:\n  name: string"
    ),
    "not-available": DIRAC + echo(old="seed: {", new="seed: {dirac:Feeder: {name: Seeds}, "),
    "wrong-route": DIRAC + echo("hints: {dirac:Transformation: {}}"),
    "yaml11": echo(old="type: stdout}", new="type: stdout, doc: yes}"),
    "lossy-number": echo(
        "requirements: {InlineJavascriptRequirement: {}}", old="int, default: 3", new=f"long, default: {2**60 + 1}"
    ),
    "secret-like": echo(f"doc: {SECRET}"),
    "unused-input": echo(old='scale: {type: "double?", inputBinding: {position: 2}}', new='scale: "double?"'),
    "not-stock-runnable": echo("hints: {dirac:Job: {priority: 3}}"),
}
INPUTS: Mapping[str, Any] = {"bad-expression": [{"name": "x"}]}
SUBMISSIONS: Mapping[str, Mapping[str, Any]] = {
    "empty-expansion": {"range_param": "seed", "range_end": 0},
    "too-many-jobs": {"range_param": "seed", "range_end": 3000},
    "bad-range": {"range_param": "seed", "range_end": 3, "range_step": 0},
    "unknown-input": {"inputs": [{"sed": 1}]},
    "wrong-type": {"inputs": [{"seed": "1"}]},
}
ELSEWHERE = {
    "bad-bundle": "test_a_wrong_hash_is_a_bad_bundle",
    "compiler-limit": "tests/engine: a limit takes seconds to meet",
    "missing-input": "test_a_missing_input_is_told",
    "unknown-sandbox": "test_submission: a sandbox of somebody else",
    "no-site": "test_what_nothing_could_run_is_told",
}


def test_every_code_is_led_to() -> None:
    assert CODES.keys() == DOCUMENTS.keys() | SUBMISSIONS.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("code", DOCUMENTS)
async def test_a_document_leads_to_its_code_and_to_no_other(code: str, post: Post) -> None:
    body = {"workflow": DOCUMENTS[code], "inputs": INPUTS.get(code, [])}
    answer = await post("/api/jobs/", {**body, "dry_run": True})
    problems = answer.json()["problems"]
    found = {each["code"] for each in problems} - {"no-site"}
    assert found == {code}, problems
    # a package that nobody knows refuses a document only where it is required
    severity = "warning" if code == "unknown-package" else CODES[code].severity
    assert {each["severity"] for each in problems if each["code"] == code} == {severity}
    assert answer.status_code == (400 if severity == "error" else 200)
    if code not in ("bad-expression", "requirements", "contradiction"):
        said = (await post("/api/workflows/validate", body)).json()["problems"]
        assert {each["code"] for each in said} == {code}


@pytest.mark.parametrize("code", SUBMISSIONS)
async def test_a_submission_leads_to_its_code(code: str, post: Post) -> None:
    answer = await post("/api/jobs/", {"workflow": ECHO, **SUBMISSIONS[code]})
    assert answer.status_code == 400
    assert [each["code"] for each in answer.json()["problems"]] == [code]


async def test_a_missing_input_is_told(post: Post) -> None:
    text = echo(old="int, default: 3,", new="int,")
    answer = await post("/api/jobs/", {"workflow": text})
    [found] = answer.json()["problems"]
    assert (found["code"], found["index"], found["pointer"]) == ("missing-input", 0, "/seed")


async def test_a_wrong_hash_is_a_bad_bundle(post: Post) -> None:
    content = ECHO.encode()
    file = {"sha256": hashlib.sha256(b"other").hexdigest(), "size": len(content)}
    manifest = {"entry": "a.cwl", "files": {"a.cwl": {**file, "content": base64.b64encode(content).decode()}}}
    [found] = (await post("/api/workflows/validate", {"manifest": manifest})).json()["problems"]
    assert found["code"] == "bad-bundle"


async def test_what_nothing_could_run_is_told(post: Post) -> None:
    said = (await post("/api/jobs/", {"workflow": ECHO, "dry_run": True})).json()
    assert [each["code"] for each in said["problems"]] == ["no-site"]
    [inserted] = (await post("/api/jobs/", {"workflow": ECHO})).json()
    assert inserted["Warnings"] == [said["problems"][0]["detail"]]


def test_the_page_has_every_code_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (error|warning) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert {code: (severity, meaning) for code, severity, meaning in rows} == {
        code: (each.severity, each.meaning) for code, each in CODES.items()
    }
