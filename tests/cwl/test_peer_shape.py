"""The rows of the peer's wire shape and of its defects that no other file of this folder has; see cwl.md, section 2."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Application

from weyl.cwl.labels import workflow_label
from weyl.kit.db import DATABASE

Stored = Callable[[], Awaitable[list[dict[str, Any]]]]


async def test_a_repeated_key_is_answered_as_the_first_time(submit: Post) -> None:
    answers = [await submit({"workflow": ECHO}, key="same") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()[0].keys() == {"JobID", "Status", "MinorStatus", "TimeStamp", "Warnings"}
    assert answers[0].json()[0]["TimeStamp"] == answers[1].json()[0]["TimeStamp"]


async def test_a_key_of_another_group_is_another_request(submit: Post, stored: Stored) -> None:
    assert (await submit({"workflow": ECHO}, key="same")).status_code == 201
    assert (await submit({"workflow": ECHO}, key="same", group="admin")).status_code == 409
    assert len(await stored()) == 1


async def test_the_jobs_can_be_searched_by_their_workflow(submit: Post, post: Post) -> None:
    assert (await submit({"workflow": ECHO, "inputs": [{"seed": 1, "scale": 1.0}]})).status_code == 201
    label = workflow_label(ECHO)
    body = {
        "parameters": ["JobID", "WorkflowID", "WorkflowParams", "JobName"],
        "search": [{"parameter": "WorkflowID", "operator": "eq", "value": label}],
    }
    [row] = (await post("/api/jobs/search", body)).json()
    assert (row["WorkflowID"], row["WorkflowParams"], row["JobName"]) == (
        label,
        {"seed": 1, "scale": 1.0},
        "echo (seed=1, scale=1.0)",
    )
    assert "WorkflowParams" not in (await post("/api/jobs/search", {})).json()[0]
    assert (await post("/api/jobs/search", body, vo="vob")).json() == []


async def test_nothing_is_inserted_if_one_object_is_wrong(submit: Post, stored: Stored) -> None:
    inputs = [{"seed": number} for number in range(500)] + [{"seed": "x"}]
    answer = await submit({"workflow": ECHO, "inputs": inputs})
    assert [each["index"] for each in answer.json()["problems"]] == [500]
    assert await stored() == []


@pytest.mark.parametrize("text", ["d: 2026-11-27", "b: !!binary aGFsbG8=", "1: a\nb: c", "- 1", '"x"', "", "a: *b"])
async def test_what_breaks_the_peers_id_is_a_problem_here(submit: Post, text: str) -> None:
    answer = await submit({"workflow": text})
    assert answer.status_code == 400, answer.text
    assert answer.json()["problems"]


async def test_a_document_without_a_label_shows_its_bundle(submit: Post, stored: Stored) -> None:
    text = f"{ECHO}doc: 2026-11-27\n"
    assert workflow_label(text) is None
    assert (await submit({"workflow": text})).status_code in (201, 400)
    for row in await stored():
        assert row["workflow_id"] == row["document"]["Workflow"]["Bundle"]


async def test_requirements_of_steps_and_hints_count(submit: Post, stored: Stored) -> None:
    """The peer reads `requirements` at the top only, and fails on an expression."""
    text = """\
cwlVersion: v1.2
class: Workflow
hints: {ResourceRequirement: {coresMin: 2}}
inputs: {n: int}
outputs: []
steps:
  a:
    in: {n: n}
    out: []
    requirements: {ResourceRequirement: {coresMin: 4, ramMin: $(inputs.n)}}
    run: {class: CommandLineTool, inputs: {n: int}, outputs: [], baseCommand: "true"}
  b:
    in: {}
    out: []
    run: {class: CommandLineTool, inputs: [], outputs: [], baseCommand: "true"}
"""
    answer = await submit({"workflow": text, "inputs": [{"n": 1000}]})
    assert answer.status_code == 201, answer.text
    [row] = await stored()
    required = row["document"]["Requirements"]
    assert required["cpu"]["num_cores"] == {"min": 4, "max": 4}
    assert required["cpu"]["ram_mb"]["request"]["overhead"] == 1152


async def test_files_in_records_and_arrays_are_taken_with_their_type(submit: Post) -> None:
    """The peer sees files at the top only, and makes a scalar of a list of one."""
    record = "{type: {type: record, fields: {f: File, g: 'File[]'}}}"
    text = ECHO.replace("inputs:\n", f"inputs:\n  r: {record}\n  d: Directory\n")
    pfn = f"/S3/sandboxes/voa/user/alice/sha256:{'1' * 64}.tar.zst"
    file = {"class": "File", "path": f"SB:SandboxSE|{pfn}#a"}
    inputs = {"r": {"f": file, "g": [file]}, "d": {"class": "Directory", "location": f"sandbox:{pfn}#b/"}}
    answer = await submit({"workflow": text, "inputs": [inputs]})
    # read at every depth: the one sandbox of all three is not there
    assert [each["code"] for each in answer.json()["problems"]] == ["unknown-sandbox"]


async def test_files_of_ones_own_sandbox_are_assigned(submit: Post, served: Application, stored: Stored) -> None:
    info = {"checksum_algorithm": "sha256", "checksum": "1" * 64, "size": 10, "format": "tar.zst"}
    announced = await served.client.post("/api/jobs/sandbox", json=info, headers=served.login())
    pfn = announced.json()["pfn"]
    text = ECHO.replace("inputs:\n", "inputs:\n  f: 'File?'\n")
    inputs = [{"f": {"class": "File", "path": f"{pfn}#a"}, "seed": number} for number in range(3)]
    assert (await submit({"workflow": text, "inputs": [*inputs, {}]})).status_code == 201
    rows = await stored()
    assert rows[0]["document"]["InputSandbox"] == "%(InputSandbox)s"
    assert [row["parameters"]["InputSandbox"] for row in rows] == [[pfn]] * 3 + [[]]
    assert rows[0]["inputs"]["f"] == {"class": "File", "location": pfn.replace("SB:SandboxSE|", "sandbox:") + "#a"}
    sandboxes = await served.client.get(f"/api/jobs/{rows[0]['job_id']}/sandbox", headers=served.login())
    assert sandboxes.json()["Input"] == [pfn.removeprefix("SB:SandboxSE|")]
    assert (await submit({"workflow": text, "inputs": inputs})).status_code == 201
    assert (await stored())[-1]["document"]["InputSandbox"] == [pfn]
    assert (await submit({"workflow": text, "inputs": inputs}, user="bob")).status_code == 400


async def test_globs_are_kept_as_they_are(submit: Post, stored: Stored) -> None:
    hints = "hints: {dirac:Job: {output_sandbox: ['*.lo[g]', '%j-%s.txt', {source: said}]}}"
    text = f'$namespaces: {{dirac: "https://diracgrid.org/cwl#"}}\n{hints}\n{ECHO}'
    assert (await submit({"workflow": text})).status_code == 201
    [row] = await stored()
    assert row["document"]["OutputSandbox"] == ["std.out", "std.err", "*.lo[g]", "%j-%s.txt"]


@pytest.mark.long
async def test_a_hundred_thousand_jobs_take_as_many_statements_as_a_thousand(
    served: Application, submit: Post, start_application: Callable[..., Awaitable[Application]]
) -> None:
    large = await start_application()
    counts = []
    for number in (1000, 100_000):
        with large.services[DATABASE].count_statements() as counted:
            body = {"workflow": ECHO, "range_param": "seed", "range_end": number}
            answer = await large.client.post("/api/jobs/", json=body, headers=large.login())
            assert answer.status_code == 201
            assert len(answer.json()) == number
        counts.append(len(counted))
    # the first one has compiled the document
    assert counts[1] <= counts[0]
    inputs = json.dumps([{"seed": number} for number in range(100_000)])
    text = f'{{"workflow": {json.dumps(ECHO)}, "inputs": {inputs}}}'
    with large.services[DATABASE].count_statements() as counted:
        headers = {**large.login(), "Content-Type": "application/json"}
        assert (await large.client.post("/api/jobs/", content=text.encode(), headers=headers)).status_code == 201
    assert len(counted) == counts[1]
