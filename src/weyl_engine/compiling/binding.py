"""Where the inputs of a tool come from, as far as that is known before the job runs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from weyl_engine.compiling.bundle import Bundle, EscapesBundle, path_of
from weyl_engine.compiling.types import FILES, is_of_files, local, plain
from weyl_engine.references import holds_expression

Source = dict[str, Any]
"""`{"input": name}` of the process, with `default` for its null, or `{"value": literal}`.

A default that is a file is written in one way and known in another, with its size: `written` is the first."""
Bindings = Mapping[str, Source | None]
"""By input of the tool; None for what only the node knows."""


class Binder:
    """Binds inputs; defaults that are files of the bundle get their name and size."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def of_process(self, tool: Mapping[str, Any], defaults: Mapping[str, Any]) -> Bindings:
        """Return the bindings of the process that is submitted: each input is its own.

        `defaults` are those of its inputs as they were written.
        """
        found: dict[str, Source | None] = {}
        for each in tool["inputs"]:
            name = local(each["id"])
            known = self._known(each.get("default"))
            same = known == defaults.get(name)
            found[name] = {"input": name} if same else {"input": name, "default": known, "written": defaults.get(name)}
        return found

    def of_step(self, step: Mapping[str, Any], run: Mapping[str, Any], outer: Bindings, inputs: set[str]) -> Bindings:
        """Return the bindings of what a step runs; `inputs` are the ids of the inputs of the workflow around it."""
        scattered = {local(each) for each in _several(step.get("scatter"))}
        entries = {local(each["id"]): each for each in step["in"]}
        found: dict[str, Source | None] = {}
        for each in run["inputs"]:
            name = local(each["id"])
            source = None if name in scattered else self._source(entries.get(name, {}), outer, inputs)
            found[name] = self._or_default(source, each) if source is not None else None
        return found

    def _source(self, entry: Mapping[str, Any], outer: Bindings, inputs: set[str]) -> Source | None:
        if "valueFrom" in entry:
            written = entry["valueFrom"]
            return None if holds_expression(written) else {"value": plain(written)}
        sources = _several(entry.get("source"))
        if len(sources) > 1 or entry.get("linkMerge") or entry.get("pickValue"):
            return None
        if not sources:
            return {"value": self._known(entry.get("default"))}
        source = outer.get(local(sources[0])) if sources[0] in inputs else None
        return self._or_default(source, entry) if source is not None else None

    def _or_default(self, source: Source, parameter: Mapping[str, Any]) -> Source:
        """Return a source whose null is replaced, as a runner replaces it."""
        if "default" not in parameter:
            return source
        if "value" in source:
            return source if source["value"] is not None else {"value": self._known(parameter["default"])}
        return source if source.get("default") is not None else {**source, "default": self._known(parameter["default"])}

    def _known(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._known(each) for each in value]
        if not isinstance(value, Mapping):
            return plain(value)
        known = {str(key): self._known(each) for key, each in value.items()}
        address = known.get("location", known.get("path"))
        if known.get("class") in FILES and isinstance(address, str):
            self._fill(known, address)
        return known

    def _fill(self, known: dict[str, Any], address: str) -> None:
        known.setdefault("basename", unquote(address.rstrip("/").rpartition("/")[2]))
        try:
            content = self._bundle.files.get(path_of(address))
        except EscapesBundle:
            return
        if content is not None:
            known.setdefault("size", len(content))


def files_of(tool: Mapping[str, Any], types: Any) -> set[str]:
    """Return the inputs of a tool that are files."""
    return {local(each["id"]) for each in tool["inputs"] if is_of_files(types.normal(each.get("type", "Any")))}


def _several(written: Any) -> list[str]:
    if written is None:
        return []
    return list(written) if isinstance(written, list) else [written]
