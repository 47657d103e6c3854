"""Inputs and outputs of a process, in the order in which they were written."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cwltool.process import Process

from weyl_engine.compiling.places import Places
from weyl_engine.compiling.problems import Problem
from weyl_engine.compiling.types import Types, alternatives, local, plain, secondary_files, text
from weyl_engine.references import holds_expression

ALTERNATIVES_MAX = 64
"""Of the type of an input: for each job the server may try them all, on each part of the value."""
_NAMED = re.compile(r"""\binputs\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])""")
_BARE = re.compile(r"\binputs\b")


def types_of(process: Any) -> Types:
    """Return the types of a process, with those that its documents define."""
    definitions, _ = process.get_requirement("SchemaDefRequirement")
    return Types(definitions["types"] if definitions else ())


def inputs(process: Process, places: Places) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Return the inputs, and what is wrong with them; a warning for those that nothing reads."""
    types, found, problems = types_of(process), [], []
    used = _used(process)
    for each, place in _ordered(process.tool["inputs"], places):
        name = local(each["id"])
        is_used = used is None or name in used or _has_binding(each)
        if not is_used:
            problems.append(places.problem("unused-input", f"nothing reads the input {name}", place, is_warning=True))
        kind = types.normal(each.get("type", "Any"))
        if (count := alternatives(kind)) > ALTERNATIVES_MAX:
            detail = f"the type of {name} has {count:,} alternatives, one inside the other: {ALTERNATIVES_MAX} may be"
            problems.append(places.problem("too-large", detail, place))
        found.append(
            {
                "name": name,
                "type": kind,
                "label": text(each.get("label")),
                "doc": text(each.get("doc")),
                "default": _default(each, place, places),
                "has_default": "default" in each,
                "format": plain(each.get("format")),
                "streamable": bool(each.get("streamable")),
                "secondary_files": secondary_files(each.get("secondaryFiles"), is_input=True),
                "used": is_used,
            }
        )
    return found, problems


def outputs(process: Process, places: Places) -> list[dict[str, Any]]:
    """Return the outputs."""
    types = types_of(process)
    return [
        {
            "name": local(each["id"]),
            "type": types.normal(each.get("type", "Any")),
            "label": text(each.get("label")),
            "doc": text(each.get("doc")),
        }
        for each, _ in _ordered(process.tool["outputs"], places)
    ]


def _ordered(parameters: Any, places: Places) -> list[tuple[Any, dict[str, Any] | None]]:
    placed = [(each, places.of(each, "id")) for each in parameters]
    return sorted(
        placed, key=lambda pair: (pair[1]["file"], pair[1]["line"], pair[1]["column"]) if pair[1] else ("", 0, 0)
    )


def _default(parameter: Mapping[str, Any], place: Mapping[str, Any] | None, places: Places) -> Any:
    """Return the default as it was written: the loader makes addresses of paths."""
    if "default" not in parameter:
        return None
    try:
        return places.raw(place, "default")
    except KeyError:
        return plain(parameter["default"])


def _has_binding(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "inputBinding" in value or any(_has_binding(each) for each in value.values())
    return isinstance(value, list) and any(map(_has_binding, value))


def _used(process: Process) -> set[str] | None:
    """Return the inputs that a process reads; None if it may be any of them."""
    tool = process.tool
    used: set[str] = set()
    for step in tool.get("steps", ()):
        for each in step.get("in", ()):
            used |= {local(source) for source in _texts(each.get("source"))}
    for each in tool.get("outputs", ()):
        used |= {local(source) for source in _texts(each.get("outputSource"))}
    if tool["class"] == "Workflow":
        return used
    for written in _expressions([tool, process.requirements, process.hints]):
        names = [next(filter(None, found.groups()), "") for found in _NAMED.finditer(written)]
        if len(_BARE.findall(written)) > len(names):
            return None
        used |= set(names)
    return used


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "expressionLib" and isinstance(each, list):
                yield from map(str, each)
            elif key != "doc":
                yield from _expressions(each)
    elif isinstance(value, list):
        for each in value:
            yield from _expressions(each)
    elif holds_expression(value):
        yield value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
