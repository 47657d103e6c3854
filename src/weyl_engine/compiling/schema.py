"""The JSON Schema of the input object of a process, for forms, flags and validation."""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl_engine.compiling.types import compact, is_optional

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[str, dict[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "Any": {},
}


def schema(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema of an object with these inputs."""
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {each["name"]: _input(each) for each in inputs},
        "required": [each["name"] for each in inputs if not each["has_default"] and not is_optional(each["type"])],
        "additionalProperties": False,
    }


def _input(declared: Mapping[str, Any]) -> dict[str, Any]:
    made = _named(declared)
    if declared["has_default"]:
        made["default"] = declared["default"]
        if not is_optional(declared["type"]):
            # Null stands for the default, as for any runner.
            made = _nullable(made)
    return made


def _named(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an input or of a field of a record."""
    made = _of(declared["type"], declared["secondary_files"])
    made["x-cwl-type"] = compact(declared["type"])
    if declared["label"]:
        made["title"] = declared["label"]
    if declared["doc"]:
        made["description"] = declared["doc"]
    return made


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    outside: dict[str, Any] = {
        key: made.pop(key) for key in ("title", "description", "default", "x-cwl-type") if key in made
    }
    return {"anyOf": [{**made, "x-cwl-type": outside.get("x-cwl-type")}, {"type": "null"}], **outside}


def _of(kind: Any, secondary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if isinstance(kind, list):
        ordered = sorted(kind, key=lambda each: each == "null")
        return {"anyOf": [_of(each, secondary) for each in ordered]}
    if isinstance(kind, Mapping):
        return _composed(kind, secondary)
    if kind == "File":
        return _file(secondary)
    if kind == "Directory":
        return _directory()
    return dict(_SCALARS.get(kind, {}))


def _composed(kind: Mapping[str, Any], secondary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if kind["type"] == "array":
        return {"type": "array", "items": _of(kind["items"], secondary)}
    if kind["type"] == "enum":
        return {"enum": list(kind["symbols"])}
    fields = kind["fields"]
    return {
        "type": "object",
        "properties": {each["name"]: _named(each) for each in fields},
        "required": [each["name"] for each in fields if not is_optional(each["type"])],
        "additionalProperties": False,
        "x-cwl-type": "record",
    }


def _file(secondary: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    text = {"type": "string"}
    made: dict[str, Any] = {
        "type": "object",
        "properties": {
            "class": {"const": "File"},
            "location": text,
            "path": text,
            "contents": text,
            "basename": text,
            "format": text,
            "checksum": text,
            "size": {"type": "integer", "minimum": 0},
            "secondaryFiles": {"type": "array"},
        },
        "required": ["class"],
        "x-cwl-type": "File",
    }
    if secondary:
        made["x-cwl-secondaryFiles"] = [dict(each) for each in secondary]
    return made


def _directory() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "class": {"const": "Directory"},
            "location": text,
            "path": text,
            "basename": text,
            "listing": {"type": "array"},
        },
        "required": ["class"],
        "x-cwl-type": "Directory",
    }
