"""Reads YAML as CWL runners read it, with limits: PyYAML's parser, and the types of YAML 1.2 in place of its own.

PyYAML itself reads YAML 1.1, in which `no`, `1:30` and `010` mean something else than to a runner, and so one text
would have two meanings. JSON is YAML, so this reads both.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from weyl_engine.scalars import OutOfRange, as_key, differs_in_yaml11, is_lossy, resolve, tagged

ALIASES_MAX = 1_000
NODES_MAX = 1_000_000
DEPTH_MAX = 64
# Aliases repeat text as well as nodes: one long text under a thousand of them is no small document.
CHARACTERS_MAX = 16 << 20
SIZE_MAX_B = 4 << 20

_MERGE = "<<"
# JSON writes a character beyond the first 65,536 as two halves, which libyaml takes for mistakes.
_HALVES = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
# Without libyaml the parser is PyYAML's own: slower by ten, and it refuses `{type: File?}` without quotes.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Position = tuple[int, int]


class BadYaml(Exception):
    """A text that is not YAML, or more than the limits allow; `line` and `column` count from 1."""

    def __init__(self, detail: str, line: int = 1, column: int = 1, code: str = "not-yaml") -> None:
        super().__init__(f"{detail} (line {line}, column {column})")
        self.detail, self.line, self.column, self.code = detail, line, column, code


@dataclass(frozen=True, slots=True)
class Note:
    """A value that not everybody reads alike: `yaml11` or `lossy-number`."""

    code: str
    detail: str
    pointer: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A document with the places of its values."""

    value: Any
    marks: Mapping[str, Position]
    """Line and column, from 1, by JSON pointer: those of a key, of an item of a list, and of the document itself."""
    notes: Sequence[Note] = ()

    def position(self, pointer: str) -> Position:
        """Return where a value stands, or the nearest thing around it that has a place."""
        while pointer not in self.marks and pointer:
            pointer = pointer.rpartition("/")[0]
        return self.marks.get(pointer, (1, 1))


def load(text: str | bytes, *, keep_spelling: bool = False, size_max_b: int | None = SIZE_MAX_B) -> Any:
    """Return the value of a text of one document, as JSON has values; raises `BadYaml`.

    With `keep_spelling` floats are `WrittenFloat`, which `to_json` writes as they were written: `1.0E5` and `100000.0`
    are one number, and a tool may print them differently.
    """
    return marked(text, keep_spelling=keep_spelling, size_max_b=size_max_b).value


def load_all(text: str | bytes, *, keep_spelling: bool = False, size_max_b: int | None = SIZE_MAX_B) -> list[Any]:
    """Return the value of each document of a text, separated by `---`; raises `BadYaml`."""
    return [each.value for each in _documents(_decoded(text, size_max_b), keep_spelling)]


def marked(text: str | bytes, *, keep_spelling: bool = False, size_max_b: int | None = SIZE_MAX_B) -> Marked:
    """Return the value of a text of one document with the places of all values in it; raises `BadYaml`."""
    documents = _documents(_decoded(text, size_max_b), keep_spelling)
    if len(documents) > 1:
        line, column = documents[1].position("")
        raise BadYaml(f"one document is expected here, not {len(documents)}", line, column)
    return documents[0] if documents else Marked(None, {})


def to_json(value: Any) -> str:
    """Return a value as compact JSON in which ints stay ints and floats floats; raises `ValueError` for NaN."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_quoted(as_key(key))}:{to_json(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(to_json, value)) + "]"
    if isinstance(value, float):
        written = getattr(value, "written", "")
        return written or json.dumps(float(value), allow_nan=False)
    return _quoted(value)


def escaped(key: str) -> str:
    """Return a key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _documents(text: str, keep_spelling: bool) -> list[Marked]:
    if text.lstrip()[:1] in ("{", "["):
        text = _HALVES.sub(_whole, text)
    return _Reader(keep_spelling).read(text)


def _whole(halves: re.Match[str]) -> str:
    before, high, low = halves.groups()
    return before + chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)


def _decoded(text: str | bytes, size_max_b: int | None) -> str:
    if size_max_b is not None and (len(text) > size_max_b or len(text) * 4 > size_max_b < _size_b(text)):
        raise BadYaml(f"larger than {size_max_b:,} bytes", code="too-large")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        raise BadYaml("not UTF-8", *_place(before, len(before))) from None


def _size_b(text: str | bytes) -> int:
    return len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))


def _place(text: str, index: int) -> Position:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


@dataclass(slots=True)
class _Open:
    """A mapping or list that has begun; the counts are those of the document when it did."""

    value: Any
    pointer: str
    anchor: str | None
    nodes: int
    characters: int
    is_mapping: bool
    height: int = 0
    key: str | None = None
    """Of a mapping: read, and its value comes next."""
    is_merge: bool = False
    at: Position = (1, 1)
    own: set[str] = field(default_factory=set)
    merged: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    nodes: int
    characters: int
    height: int


class _Reader:
    """Builds values from the events of the parser, without recursion: no text can exhaust a stack."""

    def __init__(self, keep_spelling: bool) -> None:
        self._keep_spelling = keep_spelling
        self._documents: list[Marked] = []
        self._nodes = self._characters = self._aliases = 0
        self._begin()

    def read(self, text: str) -> list[Marked]:
        """Return all documents of a text."""
        try:
            for event in yaml.parse(text, Loader=_PARSER):
                self._take(event)
        except yaml.reader.ReaderError as error:
            raise BadYaml(
                f"a character that YAML does not allow: {error.reason}", *_place(text, error.position)
            ) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if error.problem == "exceeded maximum nesting depth":
                raise BadYaml(f"nested more than {DEPTH_MAX} deep", *place, code="too-large") from None
            raise BadYaml(": ".join(filter(None, (error.context, error.problem))), *place) from None
        except UnicodeEncodeError:
            raise BadYaml("half of a surrogate pair is not a character") from None
        return self._documents

    def _begin(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._marks: dict[str, Position] = {}
        self._notes: list[Note] = []
        self._value: Any = None

    def _take(self, event: Any) -> None:
        kind = type(event)
        mark = event.start_mark
        at = (mark.line + 1, mark.column + 1)
        if kind is yaml.ScalarEvent:
            self._scalar(event, at)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._start(event, at, is_mapping=kind is yaml.MappingStartEvent)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._end()
        elif kind is yaml.AliasEvent:
            self._alias(event.anchor, at)
        elif kind is yaml.DocumentEndEvent:
            self._documents.append(Marked(self._value, self._marks, self._notes))
            self._begin()

    def _scalar(self, event: Any, at: Position) -> None:
        self._count(1, len(event.value), at)
        is_plain = event.implicit[0]
        top = self._open[-1] if self._open else None
        if is_plain and event.value == _MERGE and top is not None and top.is_mapping and top.key is None:
            top.key, top.is_merge, top.at = _MERGE, True, at
            return
        try:
            if is_plain or event.tag in (None, "!"):
                value = resolve(event.value, keep_spelling=self._keep_spelling) if is_plain else event.value
            else:
                value = tagged(event.tag, event.value, keep_spelling=self._keep_spelling)
        except OutOfRange as error:
            raise BadYaml(str(error), *at) from None
        if is_plain:
            self._note(event.value, value, at)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, len(event.value), 0)
        self._add(value, 0, at)

    def _start(self, event: Any, at: Position, *, is_mapping: bool) -> None:
        kind = "map" if is_mapping else "seq"
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            raise BadYaml(f"the tag {event.tag} has no meaning here", *at)
        if len(self._open) >= DEPTH_MAX:
            raise BadYaml(f"nested more than {DEPTH_MAX} deep", *at, code="too-large")
        if self._open and self._open[-1].is_mapping and self._open[-1].key is None:
            raise BadYaml("a key must be a text, not a list or mapping", *at)
        pointer = self._pointer()
        self._mark(pointer, at)
        self._open.append(
            _Open({} if is_mapping else [], pointer, event.anchor, self._nodes, self._characters, is_mapping)
        )
        self._count(1, 0, at)
        if event.anchor:
            self._anchors[event.anchor] = None

    def _end(self) -> None:
        ended = self._open.pop()
        for source in ended.merged:
            for key, value in source.items():
                ended.value.setdefault(key, value)
        if ended.anchor:
            self._anchors[ended.anchor] = _Anchored(
                ended.value, self._nodes - ended.nodes, self._characters - ended.characters, ended.height + 1
            )
        self._add(ended.value, ended.height + 1, None)

    def _alias(self, name: str, at: Position) -> None:
        self._aliases += 1
        if self._aliases > ALIASES_MAX:
            raise BadYaml(f"more than {ALIASES_MAX:,} aliases", *at, code="too-large")
        if name not in self._anchors:
            raise BadYaml(f"nothing before is called &{name}", *at)
        anchored = self._anchors[name]
        if anchored is None:
            raise BadYaml(f"&{name} contains itself", *at)
        self._count(anchored.nodes, anchored.characters, at)
        if len(self._open) + anchored.height > DEPTH_MAX:
            raise BadYaml(f"nested more than {DEPTH_MAX} deep", *at, code="too-large")
        self._add(anchored.value, anchored.height, at)

    def _add(self, value: Any, height: int, at: Position | None) -> None:
        """Put a value that is complete where it belongs; `at` is None if its place is marked already."""
        if not self._open:
            self._value = value
            if at is not None:
                self._mark("", at)
            return
        top = self._open[-1]
        if top.is_mapping and top.key is None:
            self._key(top, value, at or (1, 1))
            return
        top.height = max(top.height, height)
        if at is not None:
            self._mark(self._pointer(), at)
        if not top.is_mapping:
            top.value.append(value)
        elif top.is_merge:
            self._merge(top, value)
        else:
            top.value[top.key] = value
        top.key, top.is_merge = None, False

    def _key(self, top: _Open, value: Any, at: Position) -> None:
        if isinstance(value, (Mapping, list)):
            raise BadYaml("a key must be a text, not a list or mapping", *at)
        key = as_key(value)
        if key in top.own:
            raise BadYaml(f"{key!r} is here twice", *at)
        top.own.add(key)
        top.key, top.at = key, at

    def _merge(self, top: _Open, value: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(each, Mapping) for each in sources):
            raise BadYaml("<< needs a mapping, or a list of mappings", *top.at)
        top.merged.extend(sources)

    def _count(self, nodes: int, characters: int, at: Position) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > NODES_MAX:
            raise BadYaml(f"more than {NODES_MAX:,} values, those of aliases counted each time", *at, code="too-large")
        if self._characters > CHARACTERS_MAX:
            raise BadYaml("more than 16 MiB of text, that of aliases counted each time", *at, code="too-large")

    def _pointer(self) -> str:
        if not self._open:
            return ""
        top = self._open[-1]
        return f"{top.pointer}/{len(top.value)}" if not top.is_mapping else f"{top.pointer}/{escaped(top.key or '')}"

    def _mark(self, pointer: str, at: Position) -> None:
        top = self._open[-1] if self._open else None
        self._marks.setdefault(pointer, top.at if top is not None and top.is_mapping else at)

    def _note(self, text: str, value: Any, at: Position) -> None:
        other = differs_in_yaml11(text, value)
        if other is not None:
            advice = "write it as 1.0e+5 is written" if isinstance(value, float) else "put a text in quotes"
            read = f"{text} is {_shown(value)} in YAML 1.2, which runners read, and {other} in YAML 1.1"
            detail = f"{read}: {advice}"
            self._notes.append(Note("yaml11", detail, self._pointer(), *at))
        if is_lossy(text, value):
            detail = f"{text} has more digits than a number keeps: it is read as {_shown(value)}"
            self._notes.append(Note("lossy-number", detail, self._pointer(), *at))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    return to_json(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
