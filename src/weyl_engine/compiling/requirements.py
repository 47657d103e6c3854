"""What each tool of a process requires, after inheritance, with what expressions in it need."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cwltool.process import Process
from cwltool.workflow import Workflow

from weyl_engine.compiling import binding
from weyl_engine.compiling.bundle import Bundle
from weyl_engine.compiling.closure import CUDA, MPI
from weyl_engine.compiling.parameters import types_of
from weyl_engine.compiling.places import Places
from weyl_engine.compiling.problems import Problem
from weyl_engine.compiling.types import local, plain
from weyl_engine.references import BadExpression, Reference, Script, Template, holds_expression, template

RESOURCES = tuple(f"{name}{end}" for name in ("cores", "ram", "tmpdir", "outdir") for end in ("Min", "Max"))
_OLD_ESCAPES = ("v1.0", "v1.1")
_VERSION_KEY = "http://commonwl.org/cwltool#original_cwlVersion"
_USED = re.compile(r"""\binputs\s*(?:\.\s*([A-Za-z_$][\w$]*)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])""")
_OF_NODE = re.compile(r"\b(path|dirname)\b")


class Tools:
    """Walks the tools of a process; keeps the expressions that their requirements hold."""

    def __init__(self, places: Places, bundle: Bundle) -> None:
        self._places = places
        self._binder = binding.Binder(bundle)
        self.expressions: list[dict[str, Any]] = []
        self.problems: list[Problem] = []
        self.uses_javascript = False

    def read(self, process: Process, defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return one entry per tool; a process that is no workflow is the only one, with an empty id.

        `defaults` are those of the inputs of the process, as they were written.
        """
        return self._read(process, _Where(), self._binder.of_process(process.tool, defaults))

    def _read(self, process: Process, where: "_Where", bindings: binding.Bindings) -> list[dict[str, Any]]:
        self.uses_javascript |= _library(process) is not None
        if not isinstance(process, Workflow):
            return [self._tool(process, where, bindings)]
        inputs = {each["id"] for each in process.tool["inputs"]}
        steps = {step.tool["id"]: step for step in process.steps}
        found: list[dict[str, Any]] = []
        inside: dict[str, list[str]] = {}
        for written in steps_in_order(process.tool["steps"]):
            run = steps[written["id"]].embedded_tool
            name = local(written["id"])
            earlier = [tool for each in upstream(written) for tool in inside.get(each, ())]
            its_own = self._binder.of_step(written, run.tool, bindings, inputs)
            tools = self._read(run, where.below(name, earlier, written), its_own)
            inside[name] = [tool["id"] for tool in tools]
            found += tools
        return found

    def _tool(self, process: Process, where: "_Where", bindings: binding.Bindings) -> dict[str, Any]:
        reader = _Requirements(self, process, where.path, bindings)
        place = self._places.of(process.tool, "class")
        file = place["file"] if place else None
        return {
            "id": where.path,
            "name": _name(process.tool, where.path, place),
            "file": file,
            "after": list(dict.fromkeys(where.after)),
            "scatter": where.is_scattered,
            "when": where.is_conditional,
            "class": process.tool["class"],
            "resources": reader.fields("ResourceRequirement", RESOURCES),
            "time_limit": reader.field("ToolTimeLimit", "timelimit"),
            "network": reader.field("NetworkAccess", "networkAccess"),
            "docker": reader.docker(),
            "software": reader.software(),
            "cuda": reader.whole(CUDA),
            "mpi": reader.whole(MPI),
            "places": reader.places,
        }

    def keep(self, expression: dict[str, Any]) -> dict[str, int]:
        """Keep an expression; returns the value that stands for it."""
        self.expressions.append(expression)
        return {"expression": len(self.expressions) - 1}

    def place(self, value: Any, key: str) -> dict[str, Any] | None:
        """Return where a requirement says something."""
        return self._places.of(value, key)

    def report(self, code: str, detail: str, place: Mapping[str, Any] | None) -> None:
        """Keep a problem."""
        self.problems.append(self._places.problem(code, detail, place))


@dataclass(frozen=True, slots=True)
class _Where:
    """Where in the workflows a tool stands: its path of steps, and the tools that end before it begins."""

    path: str = ""
    after: tuple[str, ...] = ()
    is_scattered: bool = False
    is_conditional: bool = False

    def below(self, name: str, earlier: list[str], step: Mapping[str, Any]) -> "_Where":
        """Return the place inside of a step."""
        path = f"{self.path}/{name}" if self.path else name
        is_scattered = self.is_scattered or bool(step.get("scatter"))
        is_conditional = self.is_conditional or step.get("when") is not None
        return _Where(path, (*self.after, *earlier), is_scattered, is_conditional)


class _Requirements:
    """Reads the requirements of one tool."""

    def __init__(self, tools: Tools, process: Process, tool: str, bindings: binding.Bindings) -> None:
        self._tools, self._process, self._tool, self._bindings = tools, process, tool, bindings
        self._library = _library(process)
        self._files = binding.files_of(process.tool, types_of(process))
        self._old_escapes = str(process.metadata.get(_VERSION_KEY, "")) in _OLD_ESCAPES
        self.places: dict[str, dict[str, Any]] = {}

    def fields(self, name: str, words: tuple[str, ...]) -> dict[str, Any] | None:
        """Return the words of a requirement that are said; a bound that only the node knows gives way to the other."""
        found, _ = self._written(name)
        if found is None:
            return None
        said: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        for word in words:
            if found.get(word) is not None:
                self._keep_place(word, found, word)
                said[word] = self._value(found[word], word, unknown)
        for word, reason in unknown.items():
            stem, end = word[:-3], word[-3:]
            other = f"{stem}{'Max' if end == 'Min' else 'Min'}"
            said[word] = said.get(other) if end == "Min" else None
            if said.get(other) is None or other in unknown:
                detail = f"{word} {reason}; give it a bound that is known before, such as {stem}Max"
                self._tools.report("dynamic-requirement", detail, self.places.get(word))
        return {word: value for word, value in said.items() if value is not None} or None

    def field(self, name: str, word: str) -> Any:
        """Return one word of a requirement, which must be known before the job runs."""
        found, _ = self._written(name)
        if found is None or found.get(word) is None:
            return None
        self._keep_place(word, found, word)
        unknown: dict[str, str] = {}
        value = self._value(found[word], word, unknown)
        if unknown:
            self._tools.report("dynamic-requirement", f"{word} {unknown[word]}", self.places.get(word))
        return value

    def whole(self, name: str) -> dict[str, Any] | None:
        """Return all words of a requirement, with its level."""
        found, level = self._written(name)
        if found is None:
            return None
        short = name.rpartition("#")[2]
        self._keep_place(short, found, "class")
        said: dict[str, Any] = {"level": level}
        for word in found:
            if word in ("class", "id"):
                continue
            unknown: dict[str, str] = {}
            self._keep_place(word, found, word)
            said[word] = self._value(found[word], word, unknown)
            if unknown:
                self._tools.report("dynamic-requirement", f"{word} {unknown[word]}", self.places.get(word))
        return said

    def docker(self) -> dict[str, Any] | None:
        """Return the image that is asked for."""
        found, level = self._written("DockerRequirement")
        if found is None:
            return None
        self._keep_place("docker", found, "class")
        words = ("dockerPull", "dockerImageId", "dockerLoad", "dockerImport", "dockerFile")
        return {"level": level, "image": next((str(found[word]) for word in words if found.get(word)), None)}

    def software(self) -> dict[str, Any] | None:
        """Return the packages that are asked for."""
        found, level = self._written("SoftwareRequirement")
        if found is None:
            return None
        self._keep_place("software", found, "class")
        packages = [
            {
                "package": str(each.get("package")),
                "version": [str(one) for one in each.get("version") or ()],
                "specs": [str(one) for one in each.get("specs") or ()],
            }
            for each in found.get("packages") or ()
        ]
        return {"level": level, "packages": packages}

    def _written(self, name: str) -> tuple[Any, str | None]:
        found, is_required = self._process.get_requirement(name)
        if found is None or self._tools.place(found, "class") is None:
            return None, None  # what the loader adds to documents of v1.0 was asked for by nobody
        return found, "requirement" if is_required else "hint"

    def _keep_place(self, name: str, value: Any, key: str) -> None:
        place = self._tools.place(value, key)
        if place is not None:
            self.places[name] = place

    def _value(self, written: Any, word: str, unknown: dict[str, str]) -> Any:
        if not holds_expression(written):
            return plain(written)
        place = self.places.get(word)
        try:
            parsed = template(written, javascript=self._library is not None, old_escapes=self._old_escapes)
        except BadExpression as error:
            self._tools.report("invalid", f"{word}: {error}", place)
            return None
        names, reason = self._needs(parsed)
        if reason:
            unknown[word] = reason
            return None
        bound = {name: self._bindings[name] for name in sorted(names)}
        return self._tools.keep(
            {
                "text": str(written),
                "javascript": self._library is not None,
                "lib": self._library or [],
                "old_escapes": self._old_escapes,
                "bind": bound,
                "what": word,
                "tool": self._tool,
                **(place or {}),
            }
        )

    def _needs(self, parsed: Template) -> tuple[set[str], str]:
        """Return the inputs that an expression reads, and why it cannot be evaluated before the job runs."""
        names: set[str] = set()
        for part in parsed.parts:
            if isinstance(part, str):
                continue
            found, reason = self._of_reference(part) if isinstance(part, Reference) else self._of_script(part)
            if reason:
                return set(), reason
            names |= found
        for name in sorted(names):
            if name not in self._bindings:
                return set(), f"reads inputs.{name}, which this tool does not have"
            if self._bindings[name] is None:
                return set(), f"reads inputs.{name}, which is known only when the step runs"
        return names, ""

    def _of_reference(self, part: Reference) -> tuple[set[str], str]:
        if part.root == "runtime":
            return set(), f"reads {part.source}, which only the node knows"
        if part.root != "inputs":
            return set(), ""
        if not part.path:
            return set(self._bindings), ""
        name = str(part.path[0])
        if name in self._files and any(_OF_NODE.fullmatch(str(each)) for each in part.path[1:]):
            return set(), f"reads {part.source}, which only the node knows"
        return {name}, ""

    def _of_script(self, part: Script) -> tuple[set[str], str]:
        code = "\n".join([part.code, *(self._library or [])])
        if re.search(r"\bruntime\b", part.code):
            return set(), "reads runtime, which only the node knows"
        names = {next(filter(None, found.groups()), "") for found in _USED.finditer(code)}
        if len(re.findall(r"\binputs\b", code)) > len(_USED.findall(code)):
            names = set(self._bindings)
        of_node = _OF_NODE.search(part.code)
        if of_node and names & self._files:
            return set(), f"reads the {of_node[0]} of a file, which only the node knows"
        return names, ""


def upstream(step: Mapping[str, Any]) -> list[str]:
    """Return the steps whose outputs a step takes, by name."""
    found: list[str] = []
    here = step["id"].rpartition("/")[0] if "/" in step["id"].partition("#")[2] else step["id"].partition("#")[0] + "#"
    for each in step.get("in", ()):
        written = each.get("source")
        for source in written if isinstance(written, list) else [written] if written else []:
            rest = source.removeprefix(here).lstrip("/#")
            if source.startswith(here) and "/" in rest:
                found.append(rest.partition("/")[0])
    return list(dict.fromkeys(found))


def _library(process: Any) -> list[str] | None:
    found, is_required = process.get_requirement("InlineJavascriptRequirement")
    return [str(each) for each in found.get("expressionLib") or ()] if found is not None and is_required else None


def _name(tool: Mapping[str, Any], path: str, place: Mapping[str, Any] | None) -> str:
    """Return what people call a tool: its file, its id in a `$graph`, or the step that holds it."""
    if place and place["pointer"] == "/class":
        return str(place["file"]).rpartition("/")[2]
    fragment = str(tool["id"]).partition("#")[2]
    return fragment if fragment and "/" not in fragment else local(path) or local(fragment)


def steps_in_order(steps: Any) -> list[Any]:
    """Return steps such that each comes after those it takes outputs of, else as they were written."""
    waiting = sorted(steps, key=_written_at)
    done: list[Any] = []
    names: set[str] = set()
    every = {local(step["id"]) for step in waiting}
    while waiting:
        ready = [step for step in waiting if all(each in names or each not in every for each in upstream(step))]
        step = ready[0] if ready else waiting[0]
        waiting.remove(step)
        done.append(step)
        names.add(local(step["id"]))
    return done


def _written_at(step: Any) -> tuple[int, int]:
    data = getattr(getattr(step, "lc", None), "data", None) or {}
    place = data.get("id") or data.get("run") or (0, 0)
    return (place[0], place[1])
