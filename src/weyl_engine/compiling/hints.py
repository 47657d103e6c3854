"""The hints of a document, read before any loader rewrites them."""

from collections.abc import Iterator, Mapping
from typing import Any

from weyl_engine.compiling.closure import DIRAC, expanded
from weyl_engine.compiling.problems import Problem
from weyl_engine.compiling.sources import Sources, entries
from weyl_engine.yaml12 import escaped


class Hints:
    """Finds hints of namespaces, and extension fields of parameters, of one process."""

    def __init__(self, sources: Sources, pointer: str, process: Mapping[str, Any]) -> None:
        self._sources = sources
        self._path = sources.bundle.entry
        self._pointer = pointer
        self._process = process
        self.problems: list[Problem] = []

    def read(self) -> list[dict[str, Any]]:
        """Return each with its IRI, its raw value and the places in it; those of steps are not for a job."""
        found = [self._hint(name, place, "process", None) for name, place in self._of_process()]
        for kind in ("inputs", "outputs"):
            for parameter, part, value in entries(self._process.get(kind), "id"):
                if not isinstance(value, Mapping):
                    continue
                for key, each in value.items():
                    if ":" in key:
                        place = (self._path, f"{self._pointer}/{kind}{part}/{escaped(key)}", each)
                        found.append(self._hint(key, place, kind.removesuffix("s"), parameter.rpartition("#")[2]))
        return found

    def _of_process(self) -> Iterator[tuple[str, tuple[str, str, Any]]]:
        written = self._process.get("hints")
        path, pointer, hints = self._sources.imported(self._path, f"{self._pointer}/hints", written)
        for name, part, value in entries(hints, "class"):
            place = self._sources.imported(path, f"{pointer}{part}", value)
            if isinstance(hints, list) and isinstance(place[2], Mapping):
                name = str(place[2].get("class", ""))  # noqa: PLW2901 - an imported hint brings its class
                place = (place[0], place[1], {key: each for key, each in place[2].items() if key != "class"})
            if ":" in name:
                yield name, place

    def _hint(self, written: str, place: tuple[str, str, Any], kind: str, parameter: str | None) -> dict[str, Any]:
        path, pointer, value = self._sources.imported(*place)
        line, column = self._sources.position(path, pointer)
        return {
            "iri": self._iri(written, path, pointer),
            "written": written,
            "value": self._resolved(path, pointer, value, depth=0) if value is not None else {},
            "file": path,
            "pointer": pointer,
            "line": line,
            "column": column,
            "marks": self._marks(path, pointer),
            "place": kind,
            "parameter": parameter,
        }

    def _iri(self, written: str, path: str, pointer: str) -> str:
        full = expanded(written, {**self._sources.namespaces(self._path), **self._sources.namespaces(path)})
        if full == written and written.startswith("dirac:"):
            detail = f'`$namespaces: {{dirac: "{DIRAC}"}}` is missing: other runners warn about {written}'
            self.problems.append(
                self._sources.problem("not-stock-runnable", detail, path, pointer, is_warning=True),
            )
            return DIRAC + written.removeprefix("dirac:")
        return full

    def _marks(self, path: str, pointer: str) -> dict[str, list[int]]:
        document = self._sources.read(path)
        below = f"{pointer}/"
        marks = document.marks.items() if document is not None else ()
        return {place[len(pointer) :]: list(position) for place, position in marks if place.startswith(below)}

    def _resolved(self, path: str, pointer: str, value: Any, *, depth: int) -> Any:
        """Return a value with imports inside of it replaced; one that goes in a circle stays as it is."""
        if depth < 16:
            path, pointer, value = self._sources.imported(path, pointer, value)
        if isinstance(value, Mapping):
            return {
                key: self._resolved(path, f"{pointer}/{escaped(key)}", each, depth=depth + 1)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._resolved(path, f"{pointer}/{n}", each, depth=depth + 1) for n, each in enumerate(value)]
        return value
