"""The shape of a JSON document: its keys and the types of its values, for documents that scripts rely on."""

import re
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def shape(value: Any, *, depth: int = 9) -> Any:
    """Return keys and types; rows of a list are one shape; below `depth` the names are data, not interface."""
    if isinstance(value, dict):
        if depth == 0:
            return "object"
        return {key: shape(item, depth=depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        merged: Any = None
        for item in value:
            one = shape(item, depth=depth)
            merged = one if merged is None else _merged(merged, one)
        return [] if merged is None else [merged]
    return _type(value)


def broken(frozen: Any, found: Any, path: str = "$") -> list[str]:
    """Return in what a shape differs from the one that scripts rely on."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        faults = [f"{path}.{key} is gone" for key in frozen.keys() - found.keys()]
        faults += [f"{path}.{key} is new: write it down, and in the changelog" for key in found.keys() - frozen.keys()]
        return faults + [
            fault for key in frozen.keys() & found.keys() for fault in broken(frozen[key], found[key], f"{path}.{key}")
        ]
    if isinstance(frozen, list) and isinstance(found, list):
        if not found:
            return [f"{path} is empty, so nothing was compared"] if frozen else []
        return broken(frozen[0], found[0], f"{path}[]") if frozen else [f"{path} was always empty"]
    if isinstance(frozen, str) and isinstance(found, str) and set(found.split("|")) <= set(frozen.split("|")):
        return []
    return [f"{path} was {frozen}, and is {found}"]


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    return "time" if TIME.fullmatch(value) else "string"


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: _merged(one[key], other[key]) if key in one and key in other else one.get(key, other.get(key))
            for key in {**one, **other}
        }
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])] if one and other else one or other
    if isinstance(one, str) and isinstance(other, str):
        return "|".join(sorted(set(one.split("|")) | set(other.split("|"))))
    return one if other in ("null", []) else other
