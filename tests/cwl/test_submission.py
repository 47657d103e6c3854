"""Jobs are submitted in CWL in the peer's shape, and in more."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Application

from weyl.cwl.labels import workflow_label
from weyl.descriptions.parametric import fill
from weyl.kit.db import DATABASE

Stored = Callable[[], Awaitable[list[dict[str, Any]]]]


async def test_nobody_submits_without_a_token_or_the_property(
    served: Application, submit: Post, stored: Stored
) -> None:
    assert (await served.client.post("/api/jobs/", json={"workflow": ECHO})).status_code == 401
    assert (await submit({"workflow": ECHO}, group="service")).status_code == 403
    assert (await submit({"workflow": ECHO}, group="pilot")).status_code == 403
    assert await stored() == []


async def test_one_job_is_made_for_each_input_object_in_their_order(submit: Post, stored: Stored) -> None:
    text = json.dumps({"workflow": ECHO})[:-1] + ', "inputs": [{"seed": 1, "scale": 1.0E5}, {"seed":2}]}'
    answer = await submit(text)
    assert answer.status_code == 201, answer.text
    inserted = answer.json()
    rows = await stored()
    assert [each["JobID"] for each in inserted] == [row["job_id"] for row in rows]
    assert {(each["Status"], each["MinorStatus"]) for each in inserted} == {("Received", "Job accepted")}
    assert [row["inputs_text"] for row in rows] == ['{"seed": 1, "scale": 1.0E5}', '{"seed":2}']
    assert [row["job_name"] for row in rows] == ["echo (seed=1, scale=100000.0)", "echo (seed=2)"]
    assert {row["workflow_id"] for row in rows} == {workflow_label(ECHO)}
    assert {row["parameters"] for row in rows} == {None}
    document = rows[0]["document"]
    assert document["JobName"] == "echo"
    assert document["Workflow"]["Fragment"] is None
    assert document["Requirements"]["tags"] == "hostfeat:cwl"


def echo(**more: str) -> str:
    """Return the document with other lines at its top level."""
    lines = [f"{name}: {value}" for name, value in more.items()]
    return "\n".join([*lines, ECHO])


def told(answer: Any) -> list[tuple[Any, ...]]:
    assert answer.status_code == 400, answer.text
    return [(each["code"], each.get("index"), each["pointer"]) for each in answer.json()["problems"]]


async def test_without_inputs_there_is_one_job_with_the_defaults(submit: Post, stored: Stored) -> None:
    assert len((await submit({"workflow": ECHO})).json()) == 1
    assert len((await submit({"workflow": ECHO, "inputs": []})).json()) == 1
    assert [(row["inputs"], row["job_name"]) for row in await stored()] == [(None, "echo")] * 2


async def test_a_range_is_half_open_as_pythons(submit: Post, stored: Stored) -> None:
    body = {"workflow": ECHO, "range_param": "seed", "range_end": 3}
    assert (await submit(body)).status_code == 201
    assert (await submit({**body, "range_start": 5, "range_end": 0, "range_step": -2})).status_code == 201
    assert (await submit({**body, "range_start": None, "range_step": None, "inputs": None})).status_code == 201
    texts = [row["inputs_text"] for row in await stored()]
    assert texts == [f'{{"seed": {number}}}' for number in (0, 1, 2, 5, 3, 1, 0, 1, 2)]


async def test_base_inputs_lie_below_every_input_object(submit: Post, stored: Stored) -> None:
    base = '"base_inputs": {"scale": 1E0, "seed": 7}'
    workflow = json.dumps({"workflow": ECHO})[:-1]
    for more in ('"inputs": [{"seed": 1}, {}]', '"range_param": "seed", "range_end": 1', '"dry_run": false'):
        assert (await submit(f"{workflow}, {base}, {more}}}")).status_code == 201
    assert [row["inputs_text"] for row in await stored()] == [
        '{"scale": 1E0, "seed": 1}',
        '{"scale": 1E0, "seed": 7}',
        '{"scale": 1E0, "seed": 0}',
        '{"scale": 1E0, "seed": 7}',
    ]


async def test_lists_are_scattered(submit: Post, stored: Stored) -> None:
    body = {"workflow": ECHO, "scatter": {"seed": [1, 2], "scale": [0.5, 1.5]}}
    assert len((await submit(body)).json()) == 2
    assert len((await submit({**body, "scatter_method": "flat_crossproduct"})).json()) == 4
    values = [(row["inputs"]["seed"], row["inputs"]["scale"]) for row in await stored()]
    assert values == [(1, 0.5), (2, 1.5), (1, 0.5), (1, 1.5), (2, 0.5), (2, 1.5)]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"inputs": [{}], "range_param": "seed", "range_end": 1}, "range_param"),
        ({"range_param": "seed"}, None),
        ({"range_end": 3}, None),
        ({"inputs": [{}], "scatter": {"seed": [1]}}, "scatter"),
        ({"range_parm": "seed"}, "range_parm"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [3]}, "inputs"),
        ({"inputs": ["x"], "base_inputs": {"seed": 1}}, "inputs"),
        ({"base_inputs": [1]}, "base_inputs"),
        ({"scatter": {"seed": 1}}, "seed"),
        ({"scatter_method": "nested_crossproduct"}, "scatter_method"),
        ({"range_param": "seed", "range_end": "3x"}, "range_end"),
        ({"range_param": "seed", "range_end": 2**70}, "range_end"),
        ({"workflow_id": "0" * 64}, None),
        ({"workflow": None}, None),
    ],
)
async def test_a_malformed_body_is_refused(submit: Post, stored: Stored, more: Any, where: str | None) -> None:
    answer = await submit({"workflow": ECHO, **more})
    assert answer.status_code == 422, answer.text
    if where is not None:
        assert where in answer.json()["detail"][0]["loc"]
    assert await stored() == []


@pytest.mark.parametrize("body", ["", "[]", "{", '"a"', '{"workflow": "a"} x', '{"workflow": NaN}', '{"a": "\\ud800"}'])
async def test_what_is_no_object_is_refused(submit: Post, body: str) -> None:
    assert (await submit(body)).status_code == 422


async def test_an_unknown_field_is_told_with_the_nearest(submit: Post) -> None:
    answer = await submit({"workflow": ECHO, "range_parm": "seed"})
    assert "did you mean range_param?" in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"range_param": "seed", "range_end": 0}, "empty-expansion"),
        ({"range_param": "seed", "range_start": 5, "range_end": 0}, "empty-expansion"),
        ({"scatter": {"seed": []}}, "empty-expansion"),
        ({"scatter": {}}, "empty-expansion"),
        ({"range_param": "seed", "range_end": 2001}, "too-many-jobs"),
        ({"range_param": "seed", "range_start": -(2**62), "range_end": 2**62}, "too-many-jobs"),
        ({"inputs": [{}] * 2001}, "too-many-jobs"),
        ({"scatter": {"seed": [1] * 50, "scale": [1] * 41}, "scatter_method": "flat_crossproduct"}, "too-many-jobs"),
        ({"range_param": "seed", "range_end": 3, "range_step": 0}, "bad-range"),
        ({"range_param": "sed", "range_end": 3}, "bad-range"),
        ({"scatter": {"seed": [1, 2], "scale": [1]}}, "bad-range"),
    ],
)
async def test_what_makes_no_jobs_is_refused(submit: Post, stored: Stored, more: Any, code: str) -> None:
    assert [each for each, *_ in told(await submit({"workflow": ECHO, **more}))] == [code]
    assert await stored() == []


async def test_a_product_is_told_by_its_count(submit: Post) -> None:
    scatter = {"seed": list(range(1000)), "scale": list(range(1000))}
    answer = await submit({"workflow": ECHO, "scatter": scatter, "scatter_method": "flat_crossproduct"})
    assert "1000000 jobs" in answer.json()["detail"]


async def test_an_input_that_takes_no_int_has_no_range(submit: Post) -> None:
    text = ECHO.replace("int, default: 3", "string, default: a")
    answer = await submit({"workflow": text, "range_param": "seed", "range_end": 3})
    assert told(answer) == [("bad-range", None, "/range_param")]


async def test_names_of_workflows_are_not_available(submit: Post) -> None:
    answer = await submit({"workflow_ref": "name@1"})
    assert told(answer) == [("not-available", None, "/workflow_ref")]


async def test_all_problems_come_in_one_answer(submit: Post, stored: Stored) -> None:
    hints = '{dirac:Job: {prio: 3, job_type: Tset, tags: "x"}}'
    text = echo(hints=hints, requirements="{DockerRequirement: {dockerPull: debian}}")
    text = f'$namespaces: {{dirac: "https://diracgrid.org/cwl#"}}\n{text}'
    answer = await submit({"workflow": text, "inputs": [{"seed": "x"}, {"sed": 1}], "hints": {"grop": "g"}})
    found = answer.json()["problems"]
    assert {(each["code"], each["pointer"]) for each in found} == {
        ("schema", "/hints/dirac:Job/prio"),
        ("schema", "/hints/dirac:Job/tags"),
        ("schema", "/hints/grop"),
        ("unsupported-requirement", "/requirements/DockerRequirement"),
        ("wrong-type", "/seed"),
        ("unknown-input", "/sed"),
    }
    [prio] = [each for each in found if each["pointer"].endswith("prio")]
    assert (prio["file"], prio["line"], prio["did_you_mean"]) == ("workflow.cwl", 2, "priority")
    assert await stored() == []


async def test_a_key_makes_jobs_once(submit: Post, stored: Stored) -> None:
    body = {"workflow": ECHO, "range_param": "seed", "range_end": 3}
    first, again = [await submit(body, key="k") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert [each["JobID"] for each in first.json()] == [each["JobID"] for each in again.json()]
    assert (await submit({**body, "range_end": 4}, key="k")).status_code == 409
    assert len(await stored()) == 3


async def test_hints_become_attributes_and_overrides_beat_them(submit: Post, stored: Stored) -> None:
    hints = "{dirac:Job: {type: Test, group: g, priority: 3, sites: [LCG.Alpha.org], output_sandbox: ['*.log']}}"
    text = f'$namespaces: {{dirac: "https://diracgrid.org/cwl#"}}\n{echo(hints=hints)}'
    assert (await submit({"workflow": text, "hints": {"priority": 4, "banned_sites": ["LCG.Beta.org"]}})).is_success
    [row] = await stored()
    columns = ("job_type", "job_group", "user_priority", "site")
    assert tuple(row[name] for name in columns) == ("Test", "g", 4, "LCG.Alpha.org")
    assert row["document"]["OutputSandbox"] == ["std.out", "std.err", "*.log"]
    assert row["document"]["Priority"] == 4


async def test_quotes_and_placeholders_in_a_label_are_the_users_own(submit: Post, post: Post, served: Application,
                                                                   stored: Stored) -> None:  # fmt: skip
    label = 'a "quoted"; Executable = "/bin/rm" %j %(InputData)s <b>'
    assert (await submit({"workflow": f"label: {json.dumps(label)}\n{ECHO}"})).status_code == 201
    [row] = await stored()
    assert row["job_name"] == label
    jdl = await served.client.get(f"/api/jobs/{row['job_id']}/jdl", headers=served.login())
    assert '\\"quoted\\"' in jdl.text


async def test_a_long_label_is_cut(submit: Post, stored: Stored) -> None:
    assert (await submit({"workflow": f"label: {'x' * 300}\n{ECHO}", "inputs": [{"seed": 1}]})).status_code == 201
    [row] = await stored()
    assert len(row["job_name"]) == 128


async def test_a_document_is_compiled_once(submit: Post, compiled: Callable[[], float]) -> None:
    for _ in range(3):
        assert (await submit({"workflow": ECHO})).status_code == 201
    assert compiled() == 1
    bad = ECHO.replace("CommandLineTool", "CommandLineTol")
    for _ in range(3):
        assert (await submit({"workflow": bad})).status_code == 400
    assert compiled() == 2


async def test_two_texts_of_one_label_each_run_their_own_bytes(
    submit: Post, served: Application, stored: Stored
) -> None:
    one, two = (ECHO + f"# {word}\n" for word in ("yes", "no"))
    for text in (one, two):
        assert (await submit({"workflow": text})).status_code == 201
    rows = await stored()
    assert rows[0]["workflow_id"] == rows[1]["workflow_id"] == workflow_label(one)
    bundles = [row["document"]["Workflow"]["Bundle"] for row in rows]
    assert bundles[0] != bundles[1]
    headers = served.login()
    for bundle, text in zip(bundles, (one, two), strict=True):
        answer = await served.client.get(f"/api/workflows/{bundle}/files/workflow.cwl", headers=headers)
        assert answer.text == text
    label = rows[0]["workflow_id"]
    assert (await served.client.get(f"/api/jobs/workflows/{label}", headers=headers)).json() == {
        "workflow_id": label,
        "cwl": one,
    }
    ambiguous = await submit({"workflow_id": label})
    assert (ambiguous.status_code, sorted(ambiguous.json()["bundle_ids"])) == (409, sorted(bundles))
    assert (await submit({"workflow_id": bundles[1]})).status_code == 201
    for place in (label, *bundles):
        for path in (f"/api/jobs/workflows/{place}", f"/api/workflows/{place}", f"/api/workflows/{place}/archive"):
            assert (await served.client.get(path, headers=served.login(vo="vob"))).status_code == 404
    assert (await submit({"workflow_id": bundles[0]}, vo="vob")).status_code == 404


async def test_a_dry_run_stores_nothing_and_says_what_would_be(
    submit: Post, stored: Stored, served: Application
) -> None:
    body = {"workflow": ECHO, "range_param": "seed", "range_end": 20, "dry_run": True}
    answer = await submit(body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["jobs"], said["workflow_id"]) == (20, workflow_label(ECHO))
    assert said["inputs"] == [{"seed": number} for number in range(10)]
    [only] = said["classes"]
    assert (only["jobs"], only["sites"]) == (20, ["LCG.Alpha.org", "LCG.Beta.org"])
    assert only["requirements"]["tags"] == "hostfeat:cwl"
    assert {each["code"] for each in said["problems"]} <= {"no-site", "requirements"}
    assert await stored() == []
    path = f"/api/workflows/{said['bundle_id']}"
    assert (await served.client.get(path, headers=served.login())).status_code == 404


async def test_requirements_that_depend_on_inputs_differ_by_job(submit: Post, stored: Stored) -> None:
    text = echo(requirements="{ResourceRequirement: {ramMin: $(inputs.seed)}}")
    assert (await submit({"workflow": text, "range_param": "seed", "range_start": 100, "range_end": 300})).is_success
    rows = await stored()
    assert rows[0]["document"]["Requirements"] == "%(Requirements)s"
    filled = [fill(row["document"], row["parameters"], row["job_id"]) for row in rows]
    asked = [each["Requirements"]["cpu"]["ram_mb"]["request"]["overhead"] for each in filled]
    assert asked == [-(-(seed + 128) // 64) * 64 for seed in range(100, 300)]
    said = await submit({"workflow": text, "range_param": "seed", "range_end": 300, "dry_run": True})
    assert sum(each["jobs"] for each in said.json()["classes"]) == 300


async def test_an_expression_that_is_no_number_is_told_with_its_line(submit: Post) -> None:
    text = echo(requirements="{ResourceRequirement: {ramMin: $(inputs.name)}}").replace(
        "inputs:\n", "inputs:\n  name: string\n"
    )
    answer = await submit({"workflow": text, "inputs": [{"name": "x"}, {"name": "y"}]})
    [first, second] = answer.json()["problems"]
    assert (first["code"], first["index"], first["line"]) == ("bad-expression", 0, 1)
    assert second["index"] == 1


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        ("$(inputs.seed % 2 ? true : 1)", "must be a number, not True"),
        ("${ if (inputs.seed % 2) { throw 'odd'; } return 1; }", "coresMin: odd"),
    ],
)
async def test_the_jobs_whose_expressions_come_to_nothing_are_named(
    submit: Post, stored: Stored, cores: str, words: str
) -> None:
    required = f'{{InlineJavascriptRequirement: {{}}, ResourceRequirement: {{coresMin: "{cores}"}}}}'
    answer = await submit({"workflow": echo(requirements=required), "range_param": "seed", "range_end": 4})
    problems = answer.json()["problems"]
    assert {each["code"] for each in problems} == {"bad-expression"}
    assert problems[0]["index"] == 1
    assert words in problems[0]["detail"]
    assert await stored() == []


async def test_one_job_may_require_more(submit: Post, stored: Stored) -> None:
    own = [{"class": "ResourceRequirement", "coresMin": 4}]
    assert (await submit({"workflow": ECHO, "inputs": [{"seed": 1}, {"seed": 2, "cwl:requirements": own}]})).is_success
    first, second = [row["parameters"]["Requirements"] for row in await stored()]
    assert first["cpu"] == {}
    assert second["cpu"]["num_cores"] == {"min": 4, "max": 4}


async def test_a_sandbox_of_somebody_else_is_refused(submit: Post, stored: Stored) -> None:
    text = ECHO.replace("inputs:\n", "inputs:\n  f: File\n")
    pfn = f"/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.zst"
    answer = await submit({"workflow": text, "inputs": [{"f": {"class": "File", "location": f"sandbox:{pfn}#a"}}]})
    assert told(answer) == [("unknown-sandbox", 0, "")]
    assert await stored() == []


async def test_the_statements_do_not_grow_with_the_jobs(submit: Post, served: Application) -> None:
    counts = []
    for number in (10, 10, 1000, 2000):
        with served.services[DATABASE].count_statements() as counted:
            body = {"workflow": ECHO, "range_param": "seed", "range_end": number}
            assert (await submit(body)).status_code == 201
        counts.append(len(counted))
    assert counts[1] == counts[2] == counts[3], counts
