"""Where the loader found a value: it keeps places in attributes of its own mappings and lists."""

from collections.abc import Mapping
from typing import Any

from weyl_engine.compiling.bundle import EscapesBundle, path_of
from weyl_engine.compiling.problems import Problem
from weyl_engine.compiling.sources import Sources


class Places:
    """Finds values of the loader in the raw documents."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def of(self, value: Any, key: str) -> dict[str, Any] | None:
        """Return file, pointer, line and column of a key of a mapping; None for what nobody wrote."""
        marks = getattr(value, "lc", None)
        data = getattr(marks, "data", None)
        if not data or key not in data:
            return None
        path = _path(getattr(marks, "filename", None))
        if path is None:
            return None
        line, column = data[key][0] + 1, data[key][1] + 1
        pointer = self._sources.pointer_at(path, line, column, f"'{key}'")
        return {"file": path, "pointer": pointer, "line": line, "column": column}

    def problem(self, code: str, detail: str, place: Mapping[str, Any] | None, **more: Any) -> Problem:
        """Return a problem at a place."""
        found = place or {"pointer": "", "file": self._sources.bundle.entry, "line": 1, "column": 1}
        return Problem(code, detail, found["pointer"], found["file"], found["line"], found["column"], **more)

    def raw(self, place: Mapping[str, Any] | None, key: str) -> Any:
        """Return what was written for a key of the object at a place; raises `KeyError`."""
        if place is None:
            raise KeyError(key)
        return self._sources.value(place["file"], f"{place['pointer']}/{key}")


def _path(address: Any) -> str | None:
    try:
        return path_of(str(address)) if address else None
    except EscapesBundle:
        return None
