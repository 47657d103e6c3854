"""A process as a graph of its inputs, steps and outputs."""

from collections.abc import Mapping
from typing import Any

from cwltool.process import Process
from cwltool.workflow import Workflow

from weyl_engine.compiling.requirements import steps_in_order
from weyl_engine.compiling.types import compact, local, text

INPUT, OUTPUT = "inputs/", "outputs/"
"""What the ids of nodes begin with that are no steps; a step has its name."""


def graph(process: Process, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return nodes and edges; a process that is no workflow is one step with an empty id."""
    nodes = [_parameter(INPUT, "input", each) for each in inputs]
    edges: list[dict[str, str]] = []
    if isinstance(process, Workflow):
        known = {each["id"]: f"{INPUT}{local(each['id'])}" for each in process.tool["inputs"]}
        embedded = {step.tool["id"]: step.embedded_tool for step in process.steps}
        for step in steps_in_order(process.tool["steps"]):
            nodes.append(_step(step, embedded[step["id"]]))
            known |= {_id(out): local(step["id"]) for out in step["out"]}
        for step in process.tool["steps"]:
            for entry in step["in"]:
                edges += _edges(known, entry.get("source"), local(step["id"]), local(entry["id"]))
        for each in process.tool["outputs"]:
            name = local(each["id"])
            edges += _edges(known, each.get("outputSource"), f"{OUTPUT}{name}", "")
    else:
        nodes.append(_tool(process))
        edges += [_edge(f"{INPUT}{each['name']}", "", "") for each in inputs]
        edges += [_edge("", f"{OUTPUT}{each['name']}", "") for each in outputs]
    nodes += [_parameter(OUTPUT, "output", each) for each in outputs]
    return {"nodes": nodes, "edges": edges}


def _parameter(prefix: str, kind: str, declared: Mapping[str, Any]) -> dict[str, str]:
    label = declared["label"] or declared["name"]
    return {"id": f"{prefix}{declared['name']}", "label": label, "kind": kind, "detail": compact(declared["type"])}


def _tool(process: Process) -> dict[str, str]:
    return {
        "id": "",
        "label": text(process.tool.get("label")) or _words(process),
        "kind": "step",
        "detail": _words(process),
    }


def _step(step: Mapping[str, Any], run: Process) -> dict[str, str]:
    details = [_words(run)]
    if step.get("scatter"):
        scattered = step["scatter"] if isinstance(step["scatter"], list) else [step["scatter"]]
        details.append(f"scatter over {', '.join(local(each) for each in scattered)}")
    if step.get("when"):
        details.append(f"when {step['when']}"[:200])
    name = local(step["id"])
    label = text(step.get("label")) or name
    return {"id": name, "label": label, "kind": "step", "detail": "; ".join(details)}


def _words(process: Process) -> str:
    tool = process.tool
    if tool["class"] == "Workflow":
        steps = len(tool["steps"])
        return f"workflow of {steps} step{'' if steps == 1 else 's'}"
    command = tool.get("baseCommand")
    words = command if isinstance(command, str) else " ".join(map(str, command or ()))
    return (words or str(tool["class"]))[:200]


def _edges(known: Mapping[str, str], written: Any, target: str, label: str) -> list[dict[str, str]]:
    sources = written if isinstance(written, list) else [written] if written else []
    return [
        _edge(known[source], target, local(source) if label == "" else label) for source in sources if source in known
    ]


def _edge(start: str, end: str, label: str) -> dict[str, str]:
    return {"from": start, "to": end, "label": label}


def _id(out: Any) -> str:
    return str(out if isinstance(out, str) else out["id"])
