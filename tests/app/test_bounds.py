"""What one request may hold: every list, text and body of the API has a bound, and beyond it the answer is small."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from tests.infra.app import Application

from weyl.app import create_app
from weyl.builtin import BUILTIN
from weyl.extension import Extension
from weyl.kit.bounds import BODY_BYTES_MAX, IDS_BYTES_MAX, REPORTS_MAX
from weyl.kit.http import CurrentActor, CurrentPilot
from weyl.kit.middleware import STRANGER_BODY_BYTES_MAX
from weyl.kit.search import CONDITIONS_MAX, SORTS_MAX, VALUES_MAX
from weyl.settings import Settings

DOCUMENT = create_app(Settings()).openapi()
BODIES = {"post", "put", "patch"}
BOUNDED_FORMATS = {"date-time", "uuid"}
ANSWER_BYTES_MAX = 100_000
Schema = dict[str, Any]

# Numbers that name something, or are compared with something: there is an answer to any of them. Values of metadata
# are judged one by one, by the type of their field.
NAMES = ("job_id", "ids[]", "job_ids[]", "class_id", ".value|1", ".values|1[]")
NAMES += (".value|2", ".values[]|1", ".values[]|2", ".set{}{}|1", ".set{}{}|2")


def operations() -> Iterator[tuple[str, Schema]]:
    """Yield every operation by method and path."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def request_schemas() -> Iterator[tuple[str, Schema]]:
    """Yield every schema that stands anywhere in a request, with its place."""
    for name, operation in operations():
        for parameter in operation.get("parameters", ()):
            yield from inside(f"{name} {parameter['name']}", parameter["schema"], frozenset())
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield from inside(f"{name} body", media["schema"], frozenset())


def inside(place: str, schema: Schema, seen: frozenset[str]) -> Iterator[tuple[str, Schema]]:
    """Yield a schema and all below it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from inside(place, DOCUMENT["components"]["schemas"][name], seen | {name})
        return
    yield place, schema
    for word in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(schema.get(word, ())):
            yield from inside(place if word == "allOf" else f"{place}|{index}", branch, seen)
    for name, each in schema.get("properties", {}).items():
        yield from inside(f"{place}.{name}", each, seen)
    for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(word), dict):
            yield from inside(f"{place}{mark}", schema[word], seen)


def is_bounded(place: str, schema: Schema) -> bool:
    """Tell whether a schema says how much it takes at most; what it is made of is asked by itself."""
    match schema.get("type"):
        case "string":
            return "maxLength" in schema or "enum" in schema or schema.get("format") in BOUNDED_FORMATS
        case "array":
            return "maxItems" in schema
        case "object":
            return "maxProperties" in schema or not schema.get("additionalProperties")
        case "integer" | "number":
            is_exempt = place.endswith(NAMES)
            return is_exempt or "enum" in schema or {"minimum", "maximum"} & schema.keys() != set()
    return True


def test_every_part_of_every_request_is_bounded() -> None:
    assert [place for place, schema in request_schemas() if not is_bounded(place, schema)] == []


def test_every_operation_with_a_body_says_how_large_it_may_be() -> None:
    silent = [name for name, each in operations() if ("requestBody" in each) and "x-body-bytes-max" not in each]
    assert silent == []
    limits = {name: each["x-body-bytes-max"] for name, each in operations() if "x-body-bytes-max" in each}
    assert limits["POST /api/jobs/search"] == BODY_BYTES_MAX
    assert limits["POST /api/jobs/kill"] == IDS_BYTES_MAX
    assert limits["POST /api/jobs/jdl"] == Settings().body_bytes_max
    assert all(STRANGER_BODY_BYTES_MAX <= limit <= Settings().body_bytes_max for limit in limits.values())


def test_the_document_says_no_more_than_the_installation_takes() -> None:
    document = create_app(Settings(body_bytes_max=100_000)).openapi()
    assert document["paths"]["/api/jobs/jdl"]["post"]["x-body-bytes-max"] == 100_000


async def pieces(size: int) -> AsyncIterator[bytes]:
    """Yield a body whose length nobody has said before."""
    for _ in range(0, size, 50_000):
        yield b"[" * 50_000


@pytest.mark.parametrize("is_length_told", [True, False])
@pytest.mark.parametrize(
    ("who", "path", "limit"),
    [
        ("nobody", "/api/jobs/search", STRANGER_BODY_BYTES_MAX),
        ("nobody", "/api/pilots/token", STRANGER_BODY_BYTES_MAX),
        ("user", "/api/jobs/search", BODY_BYTES_MAX),
        ("user", "/api/jobs/kill", IDS_BYTES_MAX),
        ("pilot", "/api/jobs/kill", BODY_BYTES_MAX),
        ("pilot", "/api/matcher/match", BODY_BYTES_MAX),
        ("job", "/api/jobs/kill", BODY_BYTES_MAX),
    ],
)
async def test_a_body_beyond_the_limit_of_its_route_or_sender_is_413(
    application: Application, who: str, path: str, limit: int, is_length_told: bool
) -> None:
    headers = {"nobody": {}, "user": application.login(), "pilot": application.pilot("a" * 32)}
    headers["job"] = application.payload(1, stamp="a" * 32)
    size = limit + 50_000
    content = b"[" * size if is_length_told else pieces(size)
    answer = await application.client.post(path, content=content, headers=headers[who])
    assert answer.status_code == 413, answer.text
    assert f"at most {limit} bytes" in answer.text


ROUTER = APIRouter(prefix="/api/example", tags=["example"])


@ROUTER.post("/plain/{name}", operation_id="example_plain")
async def plain(name: str, actor: CurrentActor, body: list[int]) -> int:
    """Count."""
    return len(body)


@ROUTER.post("/large/{name}", operation_id="example_large", max_body_size=2 * BODY_BYTES_MAX)
async def large(name: str, actor: CurrentActor, body: list[int]) -> int:
    """Count."""
    return len(body)


@ROUTER.post("/node", operation_id="example_node", max_body_size=2 * BODY_BYTES_MAX)
async def node(pilot: CurrentPilot, body: list[int]) -> int:
    """Count."""
    return len(body)


async def test_routes_of_extensions_take_a_megabyte_unless_they_say_more(start_application: Any) -> None:
    example = Extension(name="example", routers=[ROUTER])
    application: Application = await start_application(extensions=[BUILTIN, example])
    json_type = {"Content-Type": "application/json"}
    user, pilot = {**application.login(), **json_type}, {**application.pilot("a" * 32), **json_type}
    content = json.dumps([1] * 500_000).encode()  # 1.5 MB
    answers = {
        (path, who): (await application.client.post(f"/api/example/{path}", content=content, headers=headers))
        for path in ("plain/x", "large/x", "node")
        for who, headers in {"user": user, "pilot": pilot}.items()
    }
    got = {key: answer.status_code for key, answer in answers.items()}
    assert got == {
        ("plain/x", "user"): 413,
        ("plain/x", "pilot"): 413,
        ("large/x", "user"): 200,
        ("large/x", "pilot"): 413,
        ("node", "user"): 403,
        ("node", "pilot"): 200,
    }
    said = (await application.client.get("/api/openapi.json")).json()["paths"]
    assert said["/api/example/plain/{name}"]["post"]["x-body-bytes-max"] == BODY_BYTES_MAX
    assert said["/api/example/large/{name}"]["post"]["x-body-bytes-max"] == 2 * BODY_BYTES_MAX


def condition(**changes: Any) -> dict[str, Any]:
    """Return a condition of a search."""
    return {"parameter": "JobID", "operator": "eq", "value": 1, **changes}


MANY = {"operator": "in", "values": [1] * (VALUES_MAX // 2 + 1)}
TOO_MUCH: dict[str, tuple[str, str, Any]] = {
    "empty conditions": ("POST", "/api/jobs/search", {"search": [{}] * 100_000}),
    "conditions": ("POST", "/api/jobs/search", {"search": [condition()] * (CONDITIONS_MAX + 1)}),
    "bad values": ("POST", "/api/jobs/search", {"search": [condition(operator="in", values=[[]] * 100_000)]}),
    "values": ("POST", "/api/jobs/search", {"search": [condition(operator="in", values=["1"] * (VALUES_MAX + 1))]}),
    "values in all": ("POST", "/api/jobs/search", {"search": [condition(**MANY), condition(**MANY)]}),
    "sorts": ("POST", "/api/pilots/search", {"sort": [{"parameter": "VO", "direction": "asc"}] * (SORTS_MAX + 1)}),
    "columns": ("POST", "/api/pilots/summary", {"grouping": ["VO"] * 101}),
    "ids": ("POST", "/api/jobs/kill", {"job_ids": [1] * 100_001}),
    "bad ids": ("POST", "/api/jobs/reschedule", {"job_ids": ["x"] * 90_000}),
    "orders": ("PATCH", "/api/rss/status", [{}] * 9_000),
    "stamps": ("POST", "/api/pilots/revoke", {"stamps": [{}] * 9_000}),
    "letters": ("POST", "/api/tasks/dead/replay", {"ids": [{}] * 9_000}),
    "reports": ("PATCH", "/api/jobs/status", {str(number): {} for number in range(REPORTS_MAX + 1)}),
    "bad reports": ("PATCH", "/api/jobs/status", {f"x{number}": {} for number in range(REPORTS_MAX)}),
    "reports of one": ("PATCH", "/api/jobs/status", {"1": {f"x{number}": {} for number in range(90_000)}}),
    "heartbeats": ("PATCH", "/api/jobs/heartbeat", {f"x{number}": {} for number in range(REPORTS_MAX)}),
    "parameters": ("PATCH", "/api/jobs/metadata", {"1": {f"x{number}": 1 for number in range(20_000)}}),
    "pilots": ("PATCH", "/api/pilots/metadata", {f"x{number}": {"a": 1} for number in range(REPORTS_MAX)}),
    "descriptions": ("POST", "/api/jobs/jdl", [{}] * 300_000),
    "documents": ("POST", "/api/jobs/json", [""] * 300_000),
    "checks": ("POST", "/api/jobs/check", {"json": [""] * 900}),
    "keys": ("POST", "/api/accounting/jobs/report", {"where": {f"x{number}": {} for number in range(50_000)}}),
    "unknown fields": ("POST", "/api/pilots/revoke", {f"x{number}": 1 for number in range(90_000)}),
    "unknown fields of many": (
        "PATCH",
        "/api/pilots/metadata",
        {str(number): {f"x{field}": 1 for field in range(90)} for number in range(900)},
    ),
    "preferences": ("PUT", "/api/ui/preferences", {"document": {f"x{number}": {} for number in range(50_000)}}),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_too_much_is_refused_by_a_small_answer_with_few_faults(application: Application, name: str) -> None:
    method, path, body = TOO_MUCH[name]
    headers = application.login(group="admin", properties=["ServiceAdministrator"])
    answer: httpx2.Response = await application.client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 422, answer.text[:500]
    assert 1 <= len(answer.json()["detail"]) <= 100
    assert len(answer.content) < ANSWER_BYTES_MAX


@pytest.mark.parametrize("path", ["jdl", "json"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1", b"[1,]", b"[" * 20_000, b"\xff", b"[" + b"9" * 5_000 + b"]", b"[1] 2"]
)
async def test_what_is_no_list_of_descriptions_is_422(application: Application, path: str, content: bytes) -> None:
    answer = await application.client.post(f"/api/jobs/{path}", content=content, headers=application.login())
    assert answer.status_code == 422, answer.text
    assert len(answer.content) < 1_000


async def test_too_many_descriptions_are_refused_before_they_are_read(start_application: Any) -> None:
    application: Application = await start_application(jobs_per_submission_max=3)
    for path, item in (("jdl", 'Executable = "/bin/true";'), ("json", {"executable": "/bin/true"})):
        for content in (json.dumps([item] * 4), json.dumps([item] * 3)[:-1] + ", no JSON"):
            answer = await application.client.post(f"/api/jobs/{path}", content=content, headers=application.login())
            assert answer.status_code == (400 if content.endswith("]") else 422), answer.text
