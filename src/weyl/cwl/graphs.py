"""The graph of a workflow: with how far the steps of one job have come, and as text for programs that draw."""

import json
import re
from collections.abc import Mapping
from typing import Any

STATES = ("waiting", "running", "completed", "failed", "skipped")
_SHAPES = {"input": ("([", "])"), "step": ("[", "]"), "output": ("(", ")")}
_DOT_SHAPES = {"input": "oval", "step": "box", "output": "oval"}


def with_states(graph: Mapping[str, Any], steps: str | None) -> dict[str, Any]:
    """Return a graph in which nodes have `state`, `done` and `of` as a job has told them; what is no such text, not."""
    told = _read(steps)
    nodes = []
    for node in graph["nodes"]:
        step = told.get(node["id"]) if node["kind"] == "step" else None
        nodes.append({**node, **step} if step else node)
    return {**graph, "nodes": nodes}


def _read(steps: str | None) -> dict[str, dict[str, Any]]:
    try:
        said = json.loads(steps or "{}")
    except ValueError:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, step in said.items() if isinstance(said, dict) else ():
        if isinstance(step, dict) and step.get("state") in STATES:
            counts = {key: step[key] for key in ("done", "of") if type(step.get(key)) is int}
            found[name] = {"state": step["state"], **counts}
    return found


def as_dot(graph: Mapping[str, Any]) -> str:
    """Return a graph in the language of Graphviz."""
    lines = ["digraph workflow {", "  rankdir=TB;"]
    for node in graph["nodes"]:
        shape = _DOT_SHAPES.get(node["kind"], "box")
        lines.append(f"  {_quoted(node['id'])} [label={_quoted(node['label'])}, shape={shape}];")
    for edge in graph["edges"]:
        label = f" [label={_quoted(edge['label'])}]" if edge.get("label") else ""
        lines.append(f"  {_quoted(edge['from'])} -> {_quoted(edge['to'])}{label};")
    return "\n".join([*lines, "}", ""])


def as_mermaid(graph: Mapping[str, Any]) -> str:
    """Return a graph in the language of Mermaid."""
    names = {node["id"]: f"n{number}" for number, node in enumerate(graph["nodes"])}
    lines = ["flowchart TB"]
    for node in graph["nodes"]:
        opening, closing = _SHAPES.get(node["kind"], _SHAPES["step"])
        lines.append(f"  {names[node['id']]}{opening}{_entities(node['label'])}{closing}")
    for edge in graph["edges"]:
        label = f"|{_entities(edge['label'])}|" if edge.get("label") else ""
        lines.append(f"  {names[edge['from']]} -->{label} {names[edge['to']]}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    return '"' + _one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(text: str) -> str:
    """Return a text in quotes in which nothing means anything to Mermaid or to a browser."""
    return '"' + re.sub(r"[^\w .,:/+()-]", lambda found: f"#{ord(found[0])};", _one_line(text)) + '"'


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
