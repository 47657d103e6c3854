"""One compilation: from a bundle to all that a server needs to know of its process."""

import json
from collections.abc import Mapping
from typing import Any

from cwltool.process import Process

from weyl_engine.compiling.bundle import Bundle
from weyl_engine.compiling.closure import Closure
from weyl_engine.compiling.graph import graph
from weyl_engine.compiling.hints import Hints
from weyl_engine.compiling.loading import load
from weyl_engine.compiling.parameters import inputs as read_inputs
from weyl_engine.compiling.parameters import outputs as read_outputs
from weyl_engine.compiling.places import Places
from weyl_engine.compiling.problems import Problem, Refused, documents, has_errors
from weyl_engine.compiling.requirements import Tools
from weyl_engine.compiling.schema import schema
from weyl_engine.compiling.sources import Sources
from weyl_engine.compiling.types import text
from weyl_engine.frames import ANSWER_MAX_B

_EXACT_INT = 1 << 53


def compiled(bundle: Bundle) -> dict[str, Any]:
    """Return the compilation of a bundle; what is wrong with it is among its `problems`."""
    sources = Sources(bundle)
    result = _nothing()
    problems = sources.problems
    try:
        pointer, process = sources.entry()
        result |= _said(sources, pointer, process)
        closure = Closure(sources)
        closure.follow()
        hints = Hints(sources, pointer, process)
        result["hints"] = hints.read()
        problems += hints.problems
        result["default_files"] = _of_inputs(closure.default_files, bundle.entry, pointer)
        if not has_errors(problems):
            tool = load(sources, with_extensions=closure.uses_extensions)
            result |= _described(tool, sources, problems)
    except Refused as refused:
        problems = [*problems, *refused.problems]
    result["problems"] = documents(problems)
    return result


def limited(detail: str) -> dict[str, Any]:
    """Return the compilation of a bundle that took more than it may."""
    return _nothing() | {"problems": documents([Problem("compiler-limit", detail)])}


def _nothing() -> dict[str, Any]:
    names = (
        "class",
        "cwl_version",
        "name",
        "label",
        "doc",
        "inputs",
        "outputs",
        "schema",
        "graph",
        "tools",
        "expressions",
    )
    return dict.fromkeys(names) | {"problems": [], "hints": [], "javascript": False, "default_files": []}


def _said(sources: Sources, pointer: str, process: Mapping[str, Any]) -> dict[str, Any]:
    root = sources.value(sources.bundle.entry, "")
    identity = process.get("id")
    name = identity.rpartition("#")[2].rpartition("/")[2] if isinstance(identity, str) else ""
    return {
        "class": process.get("class"),
        "cwl_version": root["cwlVersion"].removeprefix("cwl:"),
        "name": name or None,
        "label": text(process.get("label")),
        "doc": text(process.get("doc")),
    }


def _described(tool: Process, sources: Sources, problems: list[Problem]) -> dict[str, Any]:
    places = Places(sources)
    inputs, warnings = read_inputs(tool, places)
    outputs = read_outputs(tool, places)
    tools = Tools(places, sources.bundle)
    entries = tools.read(tool, {each["name"]: each["default"] for each in inputs})
    abstract = [each["id"] or each["name"] for each in entries if each["class"] == "Operation"]
    for name in abstract:
        problems.append(
            places.problem("invalid", f"{name} is an Operation, which cannot be run", places.of(tool.tool, "class"))
        )
    problems += warnings
    problems += tools.problems
    if tools.uses_javascript:
        problems += _too_large_for_javascript(inputs, sources)
    return {
        "inputs": inputs,
        "outputs": outputs,
        "schema": schema(inputs),
        "graph": graph(tool, inputs, outputs),
        "tools": entries,
        "expressions": tools.expressions,
        "javascript": tools.uses_javascript,
    }


def _of_inputs(found: list[tuple[str, str]], entry: str, pointer: str) -> list[str]:
    """Return the places of defaults of the process itself."""
    below = f"{pointer}/inputs/"
    return [place[len(pointer) :] for path, place in found if path == entry and place.startswith(below)]


def _too_large_for_javascript(inputs: list[dict[str, Any]], sources: Sources) -> list[Problem]:
    return [
        Problem("lossy-number", f"{each['default']} of {each['name']} loses digits in JavaScript", is_warning=True)
        for each in inputs
        if isinstance(each["default"], int) and abs(each["default"]) > _EXACT_INT
    ]


def answer(result: Mapping[str, Any]) -> bytes:
    """Return a compilation as JSON; one that is larger than an answer may be says so instead."""
    written = json.dumps(result, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    if len(written) <= ANSWER_MAX_B:
        return written
    detail = f"what is to be known of this document is larger than {ANSWER_MAX_B:,} bytes"
    return json.dumps(limited(detail)).encode()
