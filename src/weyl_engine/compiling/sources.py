"""The documents of a bundle as they were written: raw values with their places."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from weyl_engine import yaml12
from weyl_engine.compiling.bundle import Bundle, EscapesBundle, followed
from weyl_engine.compiling.problems import Problem, Refused, nearest
from weyl_engine.yaml12 import BadYaml, Marked, Position

PROCESSES = ("CommandLineTool", "Workflow", "ExpressionTool", "Operation")
VERSIONS = ("v1.0", "v1.1", "v1.2")


class Sources:
    """Reads each document once; what is wrong with it is a problem at its place."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.problems: list[Problem] = []
        self._documents: dict[str, Marked | None] = {}
        self._sorted: dict[str, list[tuple[Position, str]]] = {}

    def read(self, path: str) -> Marked | None:
        """Return a document of the bundle; None if it cannot be read, which is a problem."""
        if path not in self._documents:
            self._documents[path] = self._read(path)
        return self._documents[path]

    def paths(self) -> list[str]:
        """Return the documents that were read, the entry first."""
        return [path for path, document in self._documents.items() if document is not None]

    def problem(self, code: str, detail: str, path: str, pointer: str, **more: Any) -> Problem:
        """Return a problem with the place of a value."""
        document = self._documents.get(path)
        line, column = document.position(pointer) if document is not None else (1, 1)
        return Problem(code, detail, pointer, path, line, column, **more)

    def pointer_at(self, path: str, line: int, column: int, words: str) -> str:
        """Return which value stands at a place, or the last before it; of several the one that `words` name."""
        document = self._documents.get(path)
        if document is None:
            return ""
        if path not in self._sorted:
            self._sorted[path] = sorted((place, pointer) for pointer, place in document.marks.items())
        places = self._sorted[path]
        index = bisect_right(places, ((line, column), "\U0010ffff"))
        if not index:
            return ""
        here = [pointer for place, pointer in places[max(0, index - 8) : index] if place == places[index - 1][0]]
        named = [
            pointer for pointer in here if pointer and f"'{pointer.rpartition('/')[2]}'" in words.replace("`", "'")
        ]
        return (named or here)[0]

    def position(self, path: str, pointer: str) -> Position:
        """Return line and column of a value."""
        document = self._documents.get(path)
        return document.position(pointer) if document is not None else (1, 1)

    def value(self, path: str, pointer: str) -> Any:
        """Return what stands at a pointer; raises `KeyError`."""
        document = self._documents.get(path)
        value: Any = document.value if document is not None else None
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                value = value[int(name)] if isinstance(value, list) else value[name]
            except (IndexError, TypeError, ValueError):
                raise KeyError(pointer) from None
        return value

    def imported(self, path: str, pointer: str, value: Any) -> tuple[str, str, Any]:
        """Return a value, or what `$import` puts in its place, with where it stands."""
        seen = set()
        while isinstance(value, Mapping) and isinstance(value.get("$import"), str) and (path, pointer) not in seen:
            seen.add((path, pointer))
            try:
                target, fragment = followed(path, value["$import"])
            except EscapesBundle:
                return path, pointer, value
            document = self.read(target) if target in self.bundle.files else None
            if document is None:
                return path, pointer, value
            path, pointer, value = target, "", document.value
            if fragment:
                pointer, value = _with_id(value, fragment) or (pointer, value)
        return path, pointer, value

    def namespaces(self, path: str) -> Mapping[str, str]:
        """Return the prefixes that a document declares."""
        document = self._documents.get(path)
        declared = document.value.get("$namespaces") if document and isinstance(document.value, Mapping) else None
        return {k: v for k, v in declared.items() if isinstance(v, str)} if isinstance(declared, Mapping) else {}

    def entry(self) -> tuple[str, Mapping[str, Any]]:
        """Return pointer and raw value of the process that is meant; raises `Refused`."""
        path = self.bundle.entry
        document = self.read(path)
        if document is None:
            raise Refused(self.problems)
        root = document.value
        if not isinstance(root, Mapping) or "cwl:tool" in root:
            raise Refused([self.problem("not-cwl", "this is not a CWL document: it has no class", path, "")])
        self._check_version(root, path)
        if "$graph" in root:
            return self._of_graph(root, path)
        if root.get("class") not in PROCESSES:
            raise Refused([self._no_class(root, path)])
        fragment = self.bundle.fragment
        return (_with_id(root, fragment) if fragment else None) or ("", root)

    def _read(self, path: str) -> Marked | None:
        try:
            document = yaml12.marked(self.bundle.files[path])
        except BadYaml as error:
            self.problems.append(Problem(error.code, error.detail, "", path, error.line, error.column))
            return None
        for note in document.notes:
            problem = Problem(note.code, note.detail, note.pointer, path, note.line, note.column, is_warning=True)
            self.problems.append(problem)
        return document

    def _check_version(self, root: Mapping[str, Any], path: str) -> None:
        version = root.get("cwlVersion")
        if version is None:
            detail = "there is no cwlVersion: write `cwlVersion: v1.2`"
            raise Refused([self.problem("cwl-version", detail, path, "")])
        if not isinstance(version, str) or version.removeprefix("cwl:") not in VERSIONS:
            detail = f"version {version} of CWL is not read here: v1.0, v1.1 and v1.2 are"
            raise Refused([self.problem("cwl-version", detail, path, "/cwlVersion")])

    def _no_class(self, root: Mapping[str, Any], path: str) -> Problem:
        written = root.get("class")
        if written is None:
            return self.problem("not-cwl", "there is no class, such as `class: CommandLineTool`", path, "")
        detail = f"{written!r} is not a class that can be run"
        return self.problem("not-cwl", detail, path, "/class", did_you_mean=nearest(str(written), PROCESSES))

    def _of_graph(self, root: Mapping[str, Any], path: str) -> tuple[str, Mapping[str, Any]]:
        graph = root["$graph"]
        members = graph if isinstance(graph, list) else []
        wanted = self.bundle.fragment or "main"
        names = [_local(member.get("id")) for member in members if isinstance(member, Mapping)]
        for number, member in enumerate(members):
            if isinstance(member, Mapping) and _local(member.get("id")) == wanted:
                return f"/$graph/{number}", member
        found = _with_id(graph, wanted)
        if found is not None:
            return f"/$graph{found[0]}", found[1]
        named = ", ".join(f"#{name}" for name in names if name)
        said = f"there is no #{wanted}" if self.bundle.fragment else "there is no #main, and none was named"
        problem = self.problem("no-entry", f"{said}; the document has {named or 'no processes'}", path, "/$graph")
        raise Refused([problem])


def entries(value: Any, key: str) -> Iterator[tuple[str, str, Any]]:
    """Yield name, part of the pointer and value of each entry of a list or mapping of CWL; lists name by `key`."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield name, f"/{yaml12.escaped(name)}", each
    elif isinstance(value, list):
        for number, each in enumerate(value):
            name = each.get(key) if isinstance(each, Mapping) else each
            yield (name if isinstance(name, str) else ""), f"/{number}", each


def _local(identity: Any) -> str | None:
    return identity.rpartition("#")[2] if isinstance(identity, str) else None


def _with_id(value: Any, fragment: str, pointer: str = "") -> tuple[str, Any] | None:
    """Return the object whose `id` is the fragment, with its pointer below `value`."""
    if isinstance(value, Mapping):
        if _local(value.get("id")) == fragment or _local(value.get("name")) == fragment:
            return pointer, value
        pairs: Any = ((yaml12.escaped(key), each) for key, each in value.items())
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        return None
    for part, each in pairs:
        found = _with_id(each, fragment, f"{pointer}/{part}")
        if found is not None:
            return found
    return None
