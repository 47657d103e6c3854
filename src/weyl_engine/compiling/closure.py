"""Follows every reference of a document through the bundle: what is missing, and what no bundle may hold."""

from collections.abc import Mapping
from typing import Any

from weyl_engine.compiling.bundle import EscapesBundle, followed
from weyl_engine.compiling.problems import nearest
from weyl_engine.compiling.sources import PROCESSES, VERSIONS, Sources, entries
from weyl_engine.yaml12 import escaped

STANDARD = frozenset(
    {
        "DockerRequirement",
        "EnvVarRequirement",
        "InitialWorkDirRequirement",
        "InlineJavascriptRequirement",
        "InplaceUpdateRequirement",
        "LoadListingRequirement",
        "MultipleInputFeatureRequirement",
        "NetworkAccess",
        "ResourceRequirement",
        "ScatterFeatureRequirement",
        "SchemaDefRequirement",
        "ShellCommandRequirement",
        "SoftwareRequirement",
        "StepInputExpressionRequirement",
        "SubworkflowFeatureRequirement",
        "ToolTimeLimit",
        "WorkReuse",
    }
)
DIRAC = "https://diracgrid.org/cwl#"
CUDA = "http://commonwl.org/cwltool#CUDARequirement"
MPI = "http://commonwl.org/cwltool#MPIRequirement"
EXTENSIONS = frozenset({CUDA, MPI})
_CWL = "https://w3id.org/cwl/cwl#"
_FILES = ("File", "Directory")


class Closure:
    """Walks all documents that the entry reaches."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._waiting = [sources.bundle.entry]
        self._seen = set(self._waiting)
        self.default_files: list[tuple[str, str]] = []
        """Path and pointer of each default that is a file."""
        self.uses_extensions = False
        """Whether a class of cwltool's own is required."""

    def follow(self) -> None:
        """Read every document; what is wrong becomes problems of the sources."""
        while self._waiting:
            path = self._waiting.pop(0)
            document = self._sources.read(path)
            if document is None:
                continue
            if isinstance(document.value, Mapping):
                self._root(path, document.value)
            self._walk(path, "", document.value, is_process=True)

    def _root(self, path: str, root: Mapping[str, Any]) -> None:
        version = root.get("cwlVersion")
        if isinstance(version, str) and version.removeprefix("cwl:") not in VERSIONS:
            detail = f"version {version} of CWL is not read here: v1.0, v1.1 and v1.2 are"
            self._problem("cwl-version", detail, path, "/cwlVersion")
        schemas = root.get("$schemas")
        for number, written in enumerate(schemas if isinstance(schemas, list) else [schemas]):
            if isinstance(written, str):
                pointer = f"/$schemas/{number}" if isinstance(schemas, list) else "/$schemas"
                self._refer(path, pointer, written, is_document=False)

    def _walk(self, path: str, pointer: str, value: Any, *, is_process: bool) -> None:
        if isinstance(value, list):
            for number, each in enumerate(value):
                self._walk(path, f"{pointer}/{number}", each, is_process=is_process)
        if not isinstance(value, Mapping):
            return
        for word in ("$import", "$include", "$mixin"):
            if isinstance(value.get(word), str):
                self._refer(path, f"{pointer}/{word}", value[word], is_document=word != "$include")
        if is_process and value.get("class") in PROCESSES:
            self._process(path, pointer, value)
        for key, each in value.items():
            inside = is_process and key not in ("hints", "default", "doc")
            self._walk(path, f"{pointer}/{escaped(key)}", each, is_process=inside)

    def _process(self, path: str, pointer: str, process: Mapping[str, Any]) -> None:
        self._requirements(path, f"{pointer}/requirements", process.get("requirements"))
        for _, part, parameter in entries(process.get("inputs"), "id"):
            self._default(path, f"{pointer}/inputs{part}", parameter)
        if process["class"] != "Workflow":
            return
        for _, part, step in entries(process.get("steps"), "id"):
            if isinstance(step, Mapping):
                self._step(path, f"{pointer}/steps{part}", step)

    def _step(self, path: str, pointer: str, step: Mapping[str, Any]) -> None:
        if isinstance(step.get("run"), str):
            self._refer(path, f"{pointer}/run", step["run"], is_document=True)
        self._requirements(path, f"{pointer}/requirements", step.get("requirements"))
        for _, part, parameter in entries(step.get("in"), "id"):
            self._default(path, f"{pointer}/in{part}", parameter)

    def _default(self, path: str, pointer: str, parameter: Any) -> None:
        if isinstance(parameter, Mapping) and "default" in parameter:
            self._files(path, f"{pointer}/default", parameter["default"], is_outermost=True)

    def _files(self, path: str, pointer: str, value: Any, *, is_outermost: bool) -> None:
        if isinstance(value, list):
            for number, each in enumerate(value):
                self._files(path, f"{pointer}/{number}", each, is_outermost=is_outermost)
        if not isinstance(value, Mapping):
            return
        if value.get("class") in _FILES:
            if is_outermost:
                self.default_files.append((path, pointer))
                is_outermost = False
            word = "location" if "location" in value else "path"
            if isinstance(value.get(word), str):
                self._default_file(path, f"{pointer}/{word}", value[word])
        for key, each in value.items():
            self._files(path, f"{pointer}/{escaped(key)}", each, is_outermost=is_outermost)

    def _default_file(self, path: str, pointer: str, written: str) -> None:
        """Note a default that no bundle holds; what is named by a URL or an absolute path is the node's affair."""
        try:
            target, _ = followed(path, written)
        except EscapesBundle as error:
            if "leaves" in str(error):
                self._problem("escapes-bundle", f"{written!r} is {error}", path, pointer)
            return
        bundle = self._sources.bundle
        if not bundle.has(target):
            detail = f"{target} is not in the bundle: a job that takes this default will fail"
            problem = self._sources.problem("unresolved-run", detail, path, pointer, is_warning=True)
            self._sources.problems.append(problem)

    def _refer(self, path: str, pointer: str, written: str, *, is_document: bool) -> None:
        try:
            target, _ = followed(path, written)
        except EscapesBundle as error:
            detail = f"{written!r} is {error}; put the file into the bundle and name it by a relative path"
            self._problem("escapes-bundle", detail, path, pointer)
            return
        if target not in self._sources.bundle.files:
            near = nearest(target, self._sources.bundle.files)
            self._problem("unresolved-run", f"{target} is not in the bundle", path, pointer, did_you_mean=near)
        elif is_document and target not in self._seen:
            self._seen.add(target)
            self._waiting.append(target)

    def _requirements(self, path: str, pointer: str, requirements: Any) -> None:
        prefixes = self._sources.namespaces(path)
        for name, part, value in entries(requirements, "class"):
            if not name or (isinstance(value, Mapping) and "$import" in value) or name == "$import":
                continue
            full = expanded(name, prefixes)
            if full in EXTENSIONS:
                self.uses_extensions = True
            elif full not in STANDARD:
                near = nearest(full, STANDARD)
                self._problem("unsupported-requirement", unsupported(name), path, f"{pointer}{part}", did_you_mean=near)

    def _problem(self, code: str, detail: str, path: str, pointer: str, **more: Any) -> None:
        self._sources.problems.append(self._sources.problem(code, detail, path, pointer, **more))


def unsupported(name: str) -> str:
    """Return the words for a requirement of a class that nobody here fulfils."""
    if name.startswith(("dirac:", DIRAC)):
        return f"{name} stands below requirements: put it below hints, so that other runners can pass it by"
    return f"{name} is required and not supported; as a hint it would be ignored"


def expanded(name: str, prefixes: Mapping[str, str]) -> str:
    """Return a class or key by its full IRI, and a class of CWL itself by its plain name."""
    prefix, colon, rest = name.partition(":")
    known = {"cwl": _CWL, **prefixes}
    full = known[prefix] + rest if colon and prefix in known else name
    return full.removeprefix(_CWL)
