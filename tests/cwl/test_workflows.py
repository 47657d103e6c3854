"""Bundles are pushed once, known per VO, and read by those who may."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import pytest
from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Application

from weyl.cwl.labels import workflow_label
from weyl.cwl.models.manifest import bundle_id, manifest_of

Push = Callable[..., Awaitable[httpx2.Response]]
Get = Callable[..., Awaitable[httpx2.Response]]

MAIN = """\
cwlVersion: v1.2
class: Workflow
label: "a \\"quoted\\" <label>"
requirements: {SubworkflowFeatureRequirement: {}}
inputs: {seed: int}
outputs: {said: {type: File, outputSource: say/said}}
steps:
  say: {run: "tools/echo%20%231.cwl", in: {seed: seed}, out: [said]}
"""
FILES = {"main.cwl": MAIN.encode(), "tools/echo #1.cwl": ECHO.encode()}
TWO = """\
cwlVersion: v1.2
$graph:
- {id: one, class: CommandLineTool, inputs: {}, outputs: {}, baseCommand: "true"}
- {id: two, class: CommandLineTool, label: second, inputs: {n: int}, outputs: {}, baseCommand: "true"}
"""


def sent(files: Mapping[str, bytes], *, without: tuple[str, ...] = (), **more: Any) -> tuple[str, dict[str, Any]]:
    """Return a bundle's id, and its manifest with content."""
    entry = more.pop("entry", next(iter(files)))
    manifest = manifest_of(entry, files, **more)
    document = manifest.model_dump(mode="json")
    for path, content in files.items():
        if path not in without:
            document["files"][path]["content"] = base64.b64encode(content).decode()
    return bundle_id(manifest), document


@pytest.fixture
def push(served: Application) -> Push:
    """Return `push(files, **who)` -> the answer."""

    async def call(
        files: Mapping[str, bytes], *, without: tuple[str, ...] = (), name: str | None = None,
        fragment: str | None = None, **who: Any
    ) -> httpx2.Response:  # fmt: skip
        made, document = sent(files, without=without, fragment=fragment)
        return await served.client.put(f"/api/workflows/{name or made}", json=document, headers=served.login(**who))

    return call


@pytest.fixture
def get(served: Application) -> Get:
    """Return `get(path, **who)` -> the answer."""

    async def call(path: str, **who: Any) -> httpx2.Response:
        return await served.client.get(path, headers=served.login(**who))

    return call


async def test_nobody_pushes_without_a_token_or_the_property(served: Application, push: Push) -> None:
    made, document = sent(FILES)
    assert (await served.client.put(f"/api/workflows/{made}", json=document)).status_code == 401
    for group in ("service", "pilot", "cs"):
        assert (await push(FILES, group=group)).status_code == 403
    assert (await served.client.get(f"/api/workflows/{made}", headers=served.login())).status_code == 404


async def test_a_bundle_is_stored_once(
    push: Push, get: Get, served: Application, compiled: Callable[[], float]
) -> None:
    first, again = await push(FILES), await push(FILES)
    assert (first.status_code, again.status_code) == (201, 200)
    made, _ = sent(FILES)
    assert first.json() == {"bundle_id": made, "workflow_id": made, "problems": []}
    assert compiled() == 1
    head = await served.client.head(f"/api/workflows/{made}", headers=served.login())
    assert (head.status_code, head.headers["etag"]) == (200, f'"{made}"')
    shown = (await get(f"/api/workflows/{made}")).json()
    assert shown["label"] == 'a "quoted" <label>'
    assert shown["class"] == "Workflow"
    assert [each["name"] for each in shown["inputs"]] == ["seed"]
    assert shown["manifest"]["files"].keys() == FILES.keys()
    assert (await get(f"/api/jobs/workflows/{made}")).json() == {"workflow_id": made, "cwl": MAIN}


@pytest.mark.parametrize("name", ["x", "0" * 63, "0" * 64, "A" * 64, "%00", "1"])
async def test_an_unknown_workflow_is_not_found(get: Get, name: str) -> None:
    assert (await get(f"/api/jobs/workflows/{name}")).status_code == 404


async def test_a_text_in_a_bundle_has_a_label(push: Push, get: Get) -> None:
    answer = (await push({"echo.cwl": ECHO.encode()})).json()
    assert answer["workflow_id"] == workflow_label(ECHO)
    assert (await get(f"/api/workflows/{answer['workflow_id']}")).json()["bundle_id"] == answer["bundle_id"]


async def test_files_are_submitted_without_a_push_and_name_the_jobs(
    submit: Post, get: Get, stored: Callable[[], Awaitable[list[dict[str, Any]]]]
) -> None:
    made, manifest = sent({"tools/count.cwl": ECHO.replace("id: echo\n", "").encode()})
    rehearsed = await submit({"manifest": manifest, "dry_run": True})
    assert (rehearsed.status_code, rehearsed.json()["bundle_id"]) == (200, made)
    assert (await get(f"/api/workflows/{made}")).status_code == 404
    assert (await submit({"manifest": manifest, "inputs": [{"seed": 1}]})).status_code == 201
    assert [job["job_name"] for job in await stored()] == ["count (seed=1)"]
    assert (await get(f"/api/workflows/{made}")).json()["manifest"]["entry"] == "tools/count.cwl"
    again = {**manifest, "files": {path: {**file, "content": None} for path, file in manifest["files"].items()}}
    assert (await submit({"manifest": again})).status_code == 201
    assert (await submit({"manifest": again}, vo="vob")).status_code == 409
    wrong = {**manifest, "files": {"tools/count.cwl": {**manifest["files"]["tools/count.cwl"], "size": 3}}}
    assert (await submit({"manifest": wrong})).status_code == 400


async def test_the_same_bytes_under_two_names_have_one_meaning(push: Push, submit: Post) -> None:
    assert (await submit({"workflow": ECHO})).status_code == 201
    label = (await push({"echo.cwl": ECHO.encode()})).json()["workflow_id"]
    assert (await submit({"workflow_id": label})).status_code == 201
    other = ECHO.replace("default: 3", "default: 03")
    assert workflow_label(other) == label
    assert (await push({"echo.cwl": other.encode()})).status_code == 201
    assert (await submit({"workflow_id": label})).status_code == 409


async def test_a_default_that_is_a_file_comes_with_its_workflow(submit: Post) -> None:
    text = ECHO.replace("id: echo\n", "").replace(
        "inputs:", "inputs:\n  table: {type: File, default: {class: File, location: table.txt}}", 1
    )
    _, manifest = sent({"echo.cwl": text.encode(), "table.txt": b"1"})
    answer = await submit({"manifest": manifest, "inputs": [{"seed": 1}]})
    assert answer.status_code == 201, answer.text


async def test_files_that_the_vo_has_need_not_be_sent_and_others_are_named(push: Push) -> None:
    missing = await push(FILES, without=tuple(FILES))
    assert (missing.status_code, missing.json()["missing"]) == (409, ["main.cwl", "tools/echo #1.cwl"])
    assert (await push(FILES)).status_code == 201
    more = {**FILES, "unused.txt": b"x"}
    assert (await push(more, without=tuple(FILES))).status_code == 201


async def test_a_hash_opens_no_file_of_another_vo(push: Push, get: Get, served: Application) -> None:
    assert (await push(FILES)).status_code == 201
    made, _ = sent(FILES)
    other = await push(FILES, without=tuple(FILES), vo="vob")
    assert (other.status_code, other.json()["missing"]) == (409, list(FILES))
    paths = ("", "/schema", "/graph", "/archive", "/files/main.cwl")
    assert [(await get(f"/api/workflows/{made}{path}", vo="vob")).status_code for path in paths] == [404] * 5
    head = await served.client.head(f"/api/workflows/{made}", headers=served.login(vo="vob"))
    assert head.status_code == 404
    assert (await push(FILES, vo="vob")).status_code == 201
    assert (await get(f"/api/workflows/{made}", vo="vob")).status_code == 200


async def test_what_is_not_what_its_hash_says_is_refused(push: Push, served: Application) -> None:
    made, document = sent(FILES)
    assert (await push(FILES, name="0" * 64)).status_code == 400
    wrong: list[dict[str, Any]] = [json.loads(json.dumps(document)) for _ in range(5)]
    wrong[0]["files"]["main.cwl"]["content"] = base64.b64encode(b"other").decode()
    wrong[1]["files"]["main.cwl"]["content"] = base64.b64encode(MAIN.encode().swapcase()).decode()
    wrong[2]["files"]["main.cwl"]["content"] = "?"
    wrong[3]["files"]["../x"] = wrong[3]["files"].pop("main.cwl")
    wrong[4]["entry"] = "none.cwl"
    for each in wrong:
        answer = await served.client.put(f"/api/workflows/{made}", json=each, headers=served.login())
        assert answer.status_code == 400, answer.text
        assert answer.json()["detail"]
    assert (await served.client.get(f"/api/workflows/{made}", headers=served.login())).status_code == 404


async def test_a_document_with_errors_is_not_stored(push: Push, get: Get) -> None:
    answer = await push({"main.cwl": MAIN.encode()})
    assert answer.status_code == 400
    assert {each["code"] for each in answer.json()["problems"]} == {"unresolved-run"}
    assert (await get(f"/api/workflows/{sent({'main.cwl': MAIN.encode()})[0]}")).status_code == 404


async def test_the_archive_holds_the_manifest_and_every_byte(push: Push, get: Get) -> None:
    made = (await push(FILES)).json()["bundle_id"]
    with tarfile.open(fileobj=io.BytesIO((await get(f"/api/workflows/{made}/archive")).content)) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
        assert tar.getnames()[0] == "manifest.json"
    assert hashlib.sha256(found.pop("manifest.json")).hexdigest() == made
    assert found == {f"files/{path}": content for path, content in FILES.items()}


async def test_a_file_is_read_by_its_path(push: Push, get: Get) -> None:
    made = (await push(FILES)).json()["bundle_id"]
    answer = await get(f"/api/workflows/{made}/files/tools/echo%20%231.cwl")
    assert (answer.content, answer.headers["content-type"]) == (ECHO.encode(), "application/octet-stream")
    assert (await get(f"/api/workflows/{made}/files/tools/none.cwl")).status_code == 404


async def test_the_schema_and_the_graph_are_served(push: Push, get: Get) -> None:
    made = (await push(FILES)).json()["bundle_id"]
    schema = (await get(f"/api/workflows/{made}/schema")).json()
    assert schema["properties"]["seed"]["x-cwl-type"] == "int"
    graph = (await get(f"/api/workflows/{made}/graph")).json()
    assert {node["kind"] for node in graph["nodes"]} == {"input", "step", "output"}
    dot = (await get(f"/api/workflows/{made}/graph?format=dot")).text
    assert dot.startswith("digraph workflow {")
    assert '"say"' in dot
    mermaid = (await get(f"/api/workflows/{made}/graph?format=mermaid")).text
    assert mermaid.startswith("flowchart TB")
    assert (await get(f"/api/workflows/{made}/graph?format=svg")).status_code == 422


async def test_a_fragment_is_a_process_of_its_own(push: Push, get: Get, post: Post) -> None:
    two = {"two.cwl": TWO.encode()}
    refused = await push(two)
    assert {each["code"] for each in refused.json()["problems"]} == {"no-entry"}
    made = (await push(two, fragment="one")).json()["bundle_id"]
    assert (await get(f"/api/workflows/{made}?fragment=two")).json()["label"] == "second"
    assert (await get(f"/api/workflows/{made}")).json()["label"] is None
    answer = await post("/api/jobs/", {"workflow_id": f"{made}#two", "inputs": [{"n": 1}]})
    assert answer.status_code == 201, answer.text
    assert (await post("/api/jobs/", {"workflow_id": made, "inputs": [{"n": 1}]})).status_code == 400


async def test_validation_is_no_error_and_stores_nothing(post: Post, get: Get) -> None:
    answer = await post("/api/workflows/validate", {"workflow": ECHO, "inputs": [{"seed": 1}, {"sed": 2}]})
    said = answer.json()
    assert (answer.status_code, [(each["code"], each["index"]) for each in said["problems"]]) == (
        200,
        [("unknown-input", 1)],
    )
    assert said["schema"]["properties"].keys() == {"seed", "scale"}
    assert said["graph"]["nodes"]
    assert (said["class"], said["workflow_id"]) == ("CommandLineTool", workflow_label(ECHO))
    assert (await get(f"/api/workflows/{said['bundle_id']}")).status_code == 404


@pytest.mark.parametrize("text", ["", "a: [", "cwlVersion: v9\nclass: Workflow", "3", "\x00", "[" * 3000, "é" * 100])
async def test_validation_of_anything_is_an_answer(post: Post, text: str) -> None:
    answer = await post("/api/workflows/validate", {"workflow": text, "inputs": [{}]})
    assert answer.status_code == 200, answer.text
    assert any(each["severity"] == "error" for each in answer.json()["problems"])


async def test_validation_of_numbers_that_json_has_not_is_an_answer(post: Post) -> None:
    answer = await post(
        "/api/workflows/validate", f'{{"workflow": {json.dumps(ECHO)}, "inputs": [{{"seed": Infinity}}]}}'
    )
    assert answer.status_code in (200, 422)


async def test_validation_takes_bundles_and_ids(post: Post, push: Push) -> None:
    made, document = sent(FILES)
    said = (await post("/api/workflows/validate", {"manifest": document})).json()
    assert (said["problems"], said["bundle_id"]) == ([], made)
    _, without = sent(FILES, without=tuple(FILES))
    problems = (await post("/api/workflows/validate", {"manifest": without})).json()["problems"]
    assert [(each["code"], each["file"]) for each in problems] == [("bad-bundle", path) for path in FILES]
    assert (await post("/api/workflows/validate", {"workflow_id": made})).status_code == 404
    assert (await push(FILES)).status_code == 201
    assert (await post("/api/workflows/validate", {"workflow_id": made})).json()["problems"] == []
    assert (await post("/api/workflows/validate", {"workflow_id": made}, vo="vob")).status_code == 404
    assert (await post("/api/workflows/validate", {"workflow": ECHO}, group="service")).status_code == 403
    assert (await post("/api/workflows/validate", {})).status_code == 422


async def test_values_of_hints_are_explained_with_their_layers(post: Post) -> None:
    text = f'$namespaces: {{dirac: "https://diracgrid.org/cwl#"}}\nhints: {{dirac:Job: {{priority: 3}}}}\n{ECHO}'
    said = (await post("/api/workflows/validate", {"workflow": text, "hints": {"group": "g"}})).json()
    assert said["hints"] == [
        {"name": "priority", "value": 3, "layer": "the document"},
        {"name": "group", "value": "g", "layer": "the submission"},
    ]


async def test_the_schema_of_hints_is_for_everybody_who_is_logged_in(get: Get, served: Application) -> None:
    assert (await served.client.get("/api/workflows/hints-schema")).status_code == 401
    schema = (await get("/api/workflows/hints-schema", group="cs")).json()
    assert "dirac:Job" in schema["properties"]


async def test_large_numbers_in_a_document_are_answered(post: Post) -> None:
    text = ECHO.replace("default: 3", f"default: {10**30}").replace("int,", "Any,")
    answer = await post("/api/workflows/validate", {"workflow": text})
    assert answer.status_code == 200
    assert str(10**30) in answer.text
