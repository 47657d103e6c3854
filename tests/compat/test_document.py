"""`/api/openapi.json` says at least what the contract says: same operations, parameters, bodies, answers and names."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openapi_spec_validator import validate

Document = dict[str, Any]

CONTRACT: Document = json.loads((Path(__file__).parent / "operations.json").read_text())
OPERATIONS = [
    pytest.param(path, method, id=f"{method.upper()} {path}")
    for path, operations in CONTRACT["paths"].items()
    for method in operations
]
COMPARED = ("type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "pattern")


@pytest.fixture
async def document(client: httpx2.AsyncClient) -> Document:
    answer = await client.get("/api/openapi.json")
    assert answer.status_code == 200
    return answer.json()


class Comparison:
    """Compares schemas of two documents, following their references; collects what differs."""

    def __init__(self, ours: Document) -> None:
        self.ours = ours
        self.problems: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    def schema(self, place: str, theirs: Document, ours: Document, *, answer: bool) -> None:
        if theirs.get("$ref"):
            key = (theirs["$ref"], place.split(" ", maxsplit=1)[0])
            if key in self._seen:
                return
            self._seen.add(key)
        nullable = bool(theirs.get("nullable"))
        theirs, ours = resolve(CONTRACT, theirs), resolve(self.ours, ours)
        for word in COMPARED:
            wanted, found = theirs.get(word), ours.get(word)
            if word == "enum" and wanted is not None:
                self._expect(place, "enum", set(wanted) <= set(found or ()), wanted, found)
            elif wanted is not None or (word == "default" and not answer and found is not None):
                self._expect(place, word, wanted == found, wanted, found)
        self._expect(place, "nullable", nullable <= bool(ours.get("nullable")), nullable, ours.get("nullable"))
        self._object(place, theirs, ours, answer=answer)
        if theirs.get("items"):
            self.schema(f"{place}[]", theirs["items"], ours.get("items", {}), answer=answer)
        for index, branch in enumerate(theirs.get("anyOf", ())):
            branches = ours.get("anyOf", [])
            self._expect(place, "anyOf", len(branches) >= len(theirs["anyOf"]), theirs, ours)
            if index < len(branches):
                self.schema(f"{place}|{index}", branch, branches[index], answer=answer)

    def _object(self, place: str, theirs: Document, ours: Document, *, answer: bool) -> None:
        for name, wanted in theirs.get("properties", {}).items():
            found = ours.get("properties", {}).get(name)
            self._expect(f"{place}.{name}", "property", found is not None, wanted, found)
            if found is not None:
                self.schema(f"{place}.{name}", wanted, found, answer=answer)
        wanted, found = set(theirs.get("required", ())), set(ours.get("required", ()))
        kept = wanted <= found if answer else found <= wanted
        self._expect(place, "required", kept, sorted(wanted), sorted(found))
        extra = theirs.get("additionalProperties")
        if extra is False:
            self._expect(place, "additionalProperties", ours.get("additionalProperties") is False, extra, ours)
        if isinstance(extra, dict):
            inner = ours.get("additionalProperties")
            self._expect(place, "additionalProperties", isinstance(inner, dict), extra, inner)
            if isinstance(inner, dict):
                self.schema(f"{place}{{}}", extra, inner, answer=answer)

    def _expect(self, place: str, word: str, holds: bool, wanted: object, found: object) -> None:
        if not holds:
            self.problems.append(f"{place}: {word} must be {wanted!r}, is {found!r}")


def resolve(document: Document, schema: Document) -> Document:
    """Follow references, also those that stand alone in `allOf`."""
    while True:
        if "$ref" in schema:
            target: Any = document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        elif len(schema.get("allOf", ())) == 1:
            schema = {**schema["allOf"][0], **{key: value for key, value in schema.items() if key != "allOf"}}
        else:
            return schema


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
async def test_an_operation_is_as_in_the_contract(document: Document, path: str, method: str) -> None:
    wanted = CONTRACT["paths"][path][method]
    found = document["paths"].get(path, {}).get(method)
    assert found is not None
    assert found["operationId"] == wanted["operationId"]
    assert found.get("tags") == wanted["tags"]
    assert found.get("security", []) == wanted["security"]
    comparison = Comparison(document)
    compare_parameters(comparison, wanted, found)
    compare_body(comparison, wanted, found)
    compare_answers(comparison, wanted, found)
    assert comparison.problems == []


def compare_parameters(comparison: Comparison, wanted: Document, found: Document) -> None:
    ours = {(parameter["name"].lower(), parameter["in"]): parameter for parameter in found.get("parameters", ())}
    theirs = {(parameter["name"].lower(), parameter["in"]) for parameter in wanted["parameters"]}
    for parameter in wanted["parameters"]:
        key = (parameter["name"].lower(), parameter["in"])
        assert key in ours
        assert bool(ours[key].get("required")) == bool(parameter["required"]), key
        comparison.schema(f"parameter:{key[0]}", parameter["schema"], ours[key]["schema"], answer=False)
    added = [key for key, parameter in ours.items() if key not in theirs and parameter.get("required")]
    assert added == []


def compare_body(comparison: Comparison, wanted: Document, found: Document) -> None:
    if "requestBody" not in wanted:
        assert "requestBody" not in found
        return
    body = found["requestBody"]
    assert bool(body.get("required")) <= bool(wanted["requestBody"].get("required"))
    for kind, theirs in wanted["requestBody"]["content"].items():
        comparison.schema("body", theirs, body["content"][kind]["schema"], answer=False)


def compare_answers(comparison: Comparison, wanted: Document, found: Document) -> None:
    assert "422" not in found["responses"]
    successes = {status for status in found["responses"] if status.startswith("2")}
    assert successes == set(wanted["responses"])
    for status, answer in wanted["responses"].items():
        for kind, theirs in answer.get("content", {}).items():
            if theirs:
                ours = found["responses"][status]["content"][kind]["schema"]
                comparison.schema(f"answer:{status}", theirs, ours, answer=True)


async def test_every_component_of_the_contract_has_its_name(document: Document) -> None:
    missing = set(CONTRACT["components"]["schemas"]) - set(document["components"]["schemas"])
    assert missing == set()


async def test_the_document_speaks_the_dialect_of_generated_clients(document: Document) -> None:
    assert document["openapi"] == "3.0.2"
    assert document["info"]["title"] == "Dirac"
    text = json.dumps(document)
    for word in ('"const"', '"propertyNames"', '{"type": "null"}', '"422"'):
        assert word not in text, word


async def test_the_document_is_valid_and_every_reference_resolves(document: Document) -> None:
    validate(document)


async def test_hidden_routes_answer_and_are_not_in_the_document(client: httpx2.AsyncClient, document: Document) -> None:
    for path in CONTRACT["hidden_paths"]:
        assert path not in document["paths"]
        answer = await client.get(path)
        assert answer.status_code in (200, 422 if "exchange" in path else 200), path
