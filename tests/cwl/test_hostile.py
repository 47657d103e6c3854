"""What documents and bundles of ill will come to at the door: refused with the reason, at once, and nothing is kept."""

import base64
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.cwl.conftest import ECHO, Post
from tests.infra import pace
from tests.infra.app import Application

from weyl.cwl.models.manifest import bundle_id, manifest_of
from weyl.cwl.tables import workflow_bundles
from weyl.descriptions import jdl
from weyl.kit.db import Database

Stored = Callable[[], Awaitable[list[dict[str, Any]]]]

METADATA = "http://169.254.169.254/latest/meta-data/iam"
TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
MORE
inputs: {x: {type: int, default: 1, inputBinding: {}}}
outputs: {o: stdout}
baseCommand: echo
"""
FLOW = """\
cwlVersion: v1.2
class: Workflow
inputs: {x: {type: int, default: 1}}
outputs: {o: {type: File, outputSource: s/o}}
steps: {s: {in: {x: x}, out: [o], run: RUN }}
"""
REFERENCES = {
    "run": FLOW.replace("RUN", "'AT'"),
    "import of a step": FLOW.replace("RUN", "{$import: 'AT'}"),
    "import": TOOL.replace("MORE", "requirements: [{$import: 'AT'}]"),
    "include": TOOL.replace("MORE", "requirements: {InlineJavascriptRequirement: {expressionLib: [{$include: 'AT'}]}}"),
    "mixin": TOOL.replace("MORE", "hints: {x:Y: {$mixin: 'AT'}}"),
    "schemas": TOOL.replace("MORE", "$schemas: ['AT']"),
    "schema of types": TOOL.replace("MORE", "requirements: {SchemaDefRequirement: {types: [{$import: 'AT'}]}}"),
    "graph": "cwlVersion: v1.2\n$graph: [{$import: 'AT'}]\n",
}


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes what it is asked, and where it listens."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def serve() -> None:
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(1000))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/x.cwl", asked
        sock.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.fixture
def bundles(db: Database) -> Callable[[], Awaitable[int]]:
    """Return `bundles()` -> how many are stored."""

    async def count() -> int:
        async with db.read() as tx:
            return int(await tx.scalar(sa.select(sa.func.count()).select_from(workflow_bundles)) or 0)

    return count


def codes(answer: Any) -> set[str]:
    """Return the codes of errors in an answer."""
    return {each["code"] for each in answer.json()["problems"] if each["severity"] == "error"}


def manifest(content: bytes, path: str = "main.cwl") -> dict[str, Any]:
    """Return a manifest of one file, which may have any path, with its content."""
    made = manifest_of("x", {"x": content}).model_dump(mode="json")
    made["files"] = {path: {**made["files"]["x"], "content": base64.b64encode(content).decode()}}
    return {**made, "entry": path}


@pytest.mark.parametrize("kind", REFERENCES)
async def test_nothing_that_a_document_names_is_fetched(
    submit: Post, post: Post, listener: tuple[str, list[bytes]], stored: Stored, bundles: Any, kind: str
) -> None:
    url, asked = listener
    for address in (url, METADATA, "file:///etc/passwd", "ftp://127.0.0.1/x", "../../../etc/passwd"):
        text = REFERENCES[kind].replace("AT", address)
        answer = await submit({"workflow": text})
        assert answer.status_code == 400, answer.text
        assert codes(answer) <= {"escapes-bundle", "invalid", "no-entry", "unresolved-run"}, (address, answer.text)
        assert "root:" not in answer.text
        assert codes(await post("/api/workflows/validate", {"workflow": text})) == codes(answer)
    assert asked == []
    assert (await stored(), await bundles()) == ([], 0)


async def test_files_of_inputs_and_defaults_are_not_fetched(
    submit: Post, listener: tuple[str, list[bytes]], stored: Stored
) -> None:
    url, asked = listener
    tool = ECHO.replace("inputs:\n", f"inputs:\n  f: {{type: File?, default: {{class: File, location: '{url}'}}}}\n")
    file = {"class": "File", "location": url}
    answer = await submit({"workflow": tool, "inputs": [{}, {"f": file}, {"f": {**file, "secondaryFiles": [file]}}]})
    assert answer.status_code in (201, 400), answer.text
    assert asked == []
    for address in ("file:///etc/passwd", "/etc/passwd", "../../etc/passwd"):
        for name in ("location", "path"):
            refused = await submit({"workflow": tool, "inputs": [{"f": {"class": "File", name: address}}]})
            assert refused.status_code == 400, (address, refused.text)
    assert len(await stored()) == (3 if answer.status_code == 201 else 0)


PATHS = [
    *("../x.cwl", "a/../../x.cwl", "/etc/x.cwl", "//x.cwl", "a//x.cwl", "./x.cwl", "a/", "..", ".", ""),
    *("a\0b.cwl", "a\nb.cwl", "a\x1b[31m.cwl", "e\u0301.cwl", "a\\b.cwl", "C:\\x", "\ud800.cwl", "x" * 300),
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_that_leads_elsewhere_is_refused(served: Application, post: Post, bundles: Any, path: str) -> None:
    body = manifest(ECHO.encode(), path)
    content = json.dumps(body)
    headers = served.login() | {"Content-Type": "application/json"}
    pushed = await served.client.put(f"/api/workflows/{'0' * 64}", content=content.encode(), headers=headers)
    assert pushed.status_code in (400, 422), pushed.text
    told = json.dumps(pushed.json(), ensure_ascii=False)
    assert all(character.isprintable() for character in told), told
    checked = await post("/api/workflows/validate", f'{{"manifest": {content}}}')
    assert checked.status_code in (200, 422), checked.text
    if checked.status_code == 200:
        assert codes(checked) == {"bad-bundle"}
    assert await bundles() == 0


async def test_twins_in_unicode_are_refused(served: Application, bundles: Any) -> None:
    body = manifest(ECHO.encode(), "\u00e9.cwl")
    body["files"]["e\u0301.cwl"] = body["files"]["\u00e9.cwl"]
    answer = await served.client.put(f"/api/workflows/{'0' * 64}", json=body, headers=served.login())
    assert (answer.status_code, "NFC" in answer.text) == (400, True)
    assert await bundles() == 0


def bomb(levels: int, width: int) -> str:
    """Return YAML whose aliases stand for many values."""
    lines = ["  l0: &l0 x"]
    lines += [f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


YAML = {
    "aliases": (TOOL.replace("MORE", f"hints:\n{bomb(10, 10)}"), "too-large"),
    "depth": (TOOL.replace("MORE", f"hints: {'[' * 70}{']' * 70}"), "too-large"),
    "unclosed depth": (TOOL.replace("MORE", f"hints: {'[' * 100_000}"), "too-large"),
    "keys": (TOOL.replace("MORE", "label: a\nlabel: b"), "not-yaml"),
    "keys inside": (TOOL.replace("MORE", "hints: {a: 1, a: 2}"), "not-yaml"),
    "python": (TOOL.replace("MORE", "hints: [!!python/object/apply:os.system [touch /tmp/weyl-was-here]]"), "not-yaml"),
    "python name": (TOOL.replace("MORE", "label: !!python/name:os.system"), "not-yaml"),
    "tag": (TOOL.replace("MORE", "label: !include /etc/passwd"), "not-yaml"),
    "self": (TOOL.replace("MORE", "hints: &a [*a]"), "not-yaml"),
    "merge": (TOOL.replace("MORE", "hints: {<<: {a: 1}, b: 2}"), ""),
    "digits": (TOOL.replace("MORE", f"hints: [{'9' * 5000}]"), "not-yaml"),
}


@pytest.mark.parametrize("kind", YAML)
async def test_yaml_that_grows_or_runs_is_refused_at_once(
    submit: Post, served: Application, stored: Stored, bundles: Any, kind: str
) -> None:
    text, code = YAML[kind]
    began = time.monotonic()
    answer = await submit({"workflow": text, "dry_run": True})
    assert answer.status_code in (200, 400), answer.text
    if code:
        assert code in codes(answer), answer.text
    # The same in a file that the entry names.
    files = {"main.cwl": FLOW.replace("RUN", "other.cwl").encode(), "other.cwl": text.encode()}
    made = manifest_of("main.cwl", files)
    body = made.model_dump(mode="json")
    for path, content in files.items():
        body["files"][path]["content"] = base64.b64encode(content).decode()
    pushed = await served.client.put(f"/api/workflows/{bundle_id(made)}", json=body, headers=served.login())
    if code:
        assert (pushed.status_code, code in codes(pushed)) == (400, True), pushed.text
        assert {each.get("file") for each in pushed.json()["problems"] if each["code"] == code} == {"other.cwl"}
        assert await bundles() == 0
    assert time.monotonic() - began < 10 * pace.factor()
    assert await stored() == []


async def test_a_scalar_without_measure_is_refused(submit: Post, stored: Stored) -> None:
    assert (await submit({"workflow": TOOL.replace("MORE", f"doc: {'x' * (4 << 20)}")})).status_code in (400, 413, 422)
    assert await stored() == []


def record(levels: int) -> str:
    """Return types of which each holds the one before twice."""
    types = "{name: t0, type: record, fields: {a: int}}"
    for level in range(1, levels):
        types += f", {{name: t{level}, type: record, fields: {{a: '#t{level - 1}', b: '#t{level - 1}'}}}}"
    schema = f"requirements: {{SchemaDefRequirement: {{types: [{types}]}}}}"
    return TOOL.replace("MORE", schema).replace("{x: {", f"{{t: '#t{levels - 1}?', x: {{")


ENUMS = ", ".join(f"{{type: enum, symbols: [s{number}]}}" for number in range(300))


def javascript(code: str) -> str:
    """Return a tool whose memory is what JavaScript says."""
    more = "requirements: {InlineJavascriptRequirement: {}, ResourceRequirement: {ramMin: %s}}"
    return TOOL.replace("MORE", more % json.dumps(code))


BLOW_UPS = {
    "endless": javascript("${ while (true) {} }"),
    "memory": javascript('${ var a = "x"; while (true) a += a; }'),
    "stack": javascript("${ function f() { return f() + 1; } return f(); }"),
    "arrays": javascript("${ var a = []; while (true) a.push(new Array(100000)); }"),
    "regular expression": javascript('$(/^(a+)+$/.test("' + "a" * 40 + '!") ? 1 : 2)'),
    "replace": javascript('${ return ("a".repeat(50000)).replace(/(a*)*b/g, "") }'),
    "records": record(30),
    "alternatives": TOOL.replace("MORE", "").replace("{x: {", f"{{t: {{type: [{ENUMS}]}}, x: {{"),
    "brackets": TOOL.replace("MORE", f'label: "{"$(" * 20_000}"'),
    "reference": javascript("$(inputs" + "['x']" * 20_000 + ")"),
}


@pytest.mark.parametrize("kind", BLOW_UPS)
async def test_what_blows_up_meets_a_limit_and_the_next_document_compiles(
    submit: Post, stored: Stored, kind: str
) -> None:
    began = time.monotonic()
    first = await submit({"workflow": BLOW_UPS[kind], "dry_run": True})
    took_s = time.monotonic() - began
    assert first.status_code in (200, 400), first.text[:2000]
    assert len(first.content) < 5 << 20
    print(kind, first.status_code, f"{took_s:.1f} s", first.text[:300])
    if kind not in ("brackets", "records"):
        assert first.status_code == 400, first.text[:2000]
    assert took_s < 20 * pace.factor()
    # What failed is known, and costs nothing when it comes again.
    assert (await submit({"workflow": BLOW_UPS[kind], "dry_run": True})).status_code == first.status_code
    good = await submit({"workflow": ECHO + f"# after {kind}\n"})
    assert good.status_code == 201, good.text
    assert len(await stored()) == 1


EVIL = '=x"\'; Executable = "/bin/rm";\\ <script>alert(1)</script> \x1b[31m\x1b]0;owned\x07\x9b2J\u202e\r\n]} %j'


async def test_evil_texts_are_text_everywhere(submit: Post, post: Post, served: Application, stored: Stored) -> None:
    text = json.dumps(
        {
            "cwlVersion": "v1.2",
            "class": "CommandLineTool",
            "label": EVIL,
            "doc": EVIL,
            "inputs": {"x": {"type": "string", "label": EVIL, "doc": EVIL, "default": EVIL, "inputBinding": {}}},
            "outputs": {"o": {"type": "stdout", "label": EVIL}},
            "baseCommand": ["echo", EVIL],
        }
    )
    answer = await submit({"workflow": text, "inputs": [{"x": EVIL}, {}]})
    assert answer.status_code == 201, answer.text
    rows = await stored()
    for row in rows:
        name = row["job_name"]
        assert name.isprintable(), name
        view = await served.client.get(f"/api/jobs/{row['job_id']}/jdl", headers=served.login())
        read = jdl.parse(view.text)
        assert "Executable" not in read
        assert read["JobName"] == row["document"]["JobName"]
        assert all(character.isprintable() or character in "\n" for character in view.text), view.text
    bundle = rows[0]["document"]["Workflow"]["Bundle"]
    for path in (
        "",
        "/schema",
        "/graph",
        "/graph?format=dot",
        "/graph?format=mermaid",
        "/files/workflow.cwl",
        "/archive",
    ):
        shown = await served.client.get(f"/api/workflows/{bundle}{path}", headers=served.login())
        assert shown.status_code == 200
        kind = shown.headers["content-type"]
        sniffing = shown.headers.get("x-content-type-options")
        assert kind in ("application/json", "application/x-tar") or sniffing == "nosniff", (path, kind)
        if "format" in path:
            assert all(character.isprintable() or character == "\n" for character in shown.text), shown.text
    assert '"<script>' not in (await served.client.get(f"/api/workflows/{bundle}/graph?format=mermaid",
                                                       headers=served.login())).text  # fmt: skip
    # As the pages ask for them.
    found = await post("/api/jobs/search", {"parameters": ["JobName", "WorkflowParams"], "search": []})
    assert [row["WorkflowParams"] for row in found.json()] == [{"x": EVIL}, {}]
    assert found.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    "name", ["a/b", "a b", "a#b", "<b>", "a\x1b[31m", 'a"b', "a\nb", "\u202e", "..", "constructor"]
)
async def test_evil_ids_are_refused_or_stay_text(submit: Post, served: Application, stored: Stored, name: str) -> None:
    document = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "id": name,
        "inputs": {name: {"type": "int", "default": 1}},
        "outputs": {"o": {"type": "int", "outputSource": name}},
        "steps": {
            name: {
                "in": {"x": {"source": name}},
                "out": [],
                "run": {"class": "CommandLineTool", "inputs": {"x": "int"}, "outputs": [], "baseCommand": "true"},
            }
        },
    }
    answer = await submit({"workflow": json.dumps(document)})
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["problems"]
        return
    [row] = await stored()
    assert row["job_name"].isprintable()
    path = f"/api/workflows/{row['document']['Workflow']['Bundle']}/graph"
    for form in ("dot", "mermaid"):
        drawn = (await served.client.get(path, params={"format": form}, headers=served.login())).text
        assert all(character.isprintable() or character == "\n" for character in drawn), drawn


async def test_workflow_is_no_attribute_that_users_write(submit: Post, served: Application, stored: Stored) -> None:
    assert (await submit({"workflow": ECHO})).status_code == 201
    [row] = await stored()
    bundle = row["document"]["Workflow"]["Bundle"]
    inside = f'Workflow = [Bundle = "{bundle}"];'
    for text in (
        f"[{inside}]",
        f'[Executable = "/bin/date"; {inside}]',
        f'[Executable = "/bin/date"; workflow = "{bundle}";]',
    ):
        answer = await served.client.post("/api/jobs/jdl", json=[text], headers=served.login())
        assert (answer.status_code, "Workflow" in answer.text) == (400, True), answer.text
    for document in ({"Workflow": {"Bundle": bundle}}, {"Executable": "/bin/date", "Workflow": {"Bundle": bundle}}):
        answer = await served.client.post("/api/jobs/json", json=[document], headers=served.login())
        assert (answer.status_code, "Workflow" in answer.text) == (400, True), answer.text
    assert len(await stored()) == 1


TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


async def test_what_looks_like_a_credential_is_warned_of_and_not_repeated(submit: Post, post: Post) -> None:
    text = TOOL.replace("MORE", f"requirements: {{EnvVarRequirement: {{envDef: {{TOKEN: {TOKEN}}}}}}}")
    answer = await submit({"workflow": text})
    assert answer.status_code == 201, answer.text
    assert "secret-like" in str(answer.json()[0]["Warnings"]) or "credential" in str(answer.json()[0]["Warnings"])
    assert TOKEN not in answer.text
    checked = await post("/api/workflows/validate", {"workflow": text})
    [found] = [each for each in checked.json()["problems"] if each["code"] == "secret-like"]
    assert (found["severity"], found["line"]) == ("warning", 3)
    tool = ECHO.replace("inputs:\n", "inputs:\n  t: string?\n")
    given = await submit({"workflow": tool, "inputs": [{}, {"t": f"Bearer {TOKEN}"}]})
    assert given.status_code == 201
    assert "credential" in given.text
    assert TOKEN not in given.text
