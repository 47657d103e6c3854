"""Which requirement of a document each condition of its jobs comes from, in words for whoever asks why a job waits."""

from collections.abc import Mapping
from typing import Any

from weyl.cwl.compilation import Compilation
from weyl.cwl.requirements import HOSTFEAT, NoRequirement, Site, Tool, Value, derived

_CONDITIONS = {
    "/cpu/num_cores": "cores",
    "/cpu/ram_mb": "ram",
    "/io/scratch_mb": "scratch",
    "/wall_time": "wall_time",
    "/gpu": "gpu",
}
# What an expression comes to differs by job: it is taken for the one that decides.
_LARGEST = 2**31 - 1


def origins_of(compilation: Compilation) -> dict[str, str]:
    """Return the origin of the matcher's conditions, and of tags, as far as tools of the document ask for them."""
    found = {HOSTFEAT: "the document itself, since it is CWL"}
    try:
        made = derived([_decided(tool) for tool in compilation.tools], _as_it_is, Site(), version=None)
    except NoRequirement:
        return found
    for pointer, origin in made.origins.items():
        words = f"`{origin.word}` of `{origin.tool}`"
        if pointer.startswith("/tags/"):
            found[pointer.removeprefix("/tags/")] = words
        elif pointer in _CONDITIONS:
            found[_CONDITIONS[pointer]] = words
    return found


def _decided(tool: Tool) -> dict[str, Any]:
    """Return a tool in which every value is known."""
    resources = {name: _number(value) for name, value in (tool.get("resources") or {}).items()}
    cuda = {name: value for name, value in (tool.get("cuda") or {}).items() if not _is_expression(value)}
    return {
        **tool,
        "resources": resources or None,
        "time_limit": _number(tool.get("time_limit")),
        "network": tool.get("network") if not _is_expression(tool.get("network")) else True,
        "cuda": cuda or None,
    }


def _number(value: Value) -> Value:
    return _LARGEST if _is_expression(value) else value


def _is_expression(value: Value) -> bool:
    return isinstance(value, Mapping) and "expression" in value


def _as_it_is(value: Value) -> Value:
    return value
