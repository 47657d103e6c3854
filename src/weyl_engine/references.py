"""Parameter references of CWL, such as `$(inputs.events.basename)`, without JavaScript and without cwltool.

A text is split into plain text, references and scripts; what holds no script is evaluated here, anything else by
`weyl_engine.javascript`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TEXT_MAX = 64 * 1024
"""Characters of a text that several parts make up."""

_SEGMENT = re.compile(r"\.(\w+)|\['((?:[^']|\\')+)'\]|\[\"((?:[^\"]|\\\")+)\"\]|\[([0-9]{1,9})\]")
_ROOT = re.compile(r"\w+")
_OPENING = {"(": ")", "{": "}"}


class BadExpression(Exception):
    """An expression that cannot be read, or finds nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A path into `inputs`, `self` or `runtime`."""

    root: str
    path: tuple[str | int, ...]
    source: str

    def evaluate(self, context: Mapping[str, Any]) -> Any:
        """Return what the path leads to; raises `BadExpression` where it leads nowhere."""
        if self.root == "null" and not self.path:
            return None
        if self.root not in context:
            raise BadExpression(f"{self.source}: {self.root} is unknown here")
        value = context[self.root]
        for number, part in enumerate(self.path):
            if isinstance(value, list) and part == "length" and number == len(self.path) - 1:
                return len(value)
            value = self._step(value, part)
        return value

    def _step(self, value: Any, part: str | int) -> Any:
        if isinstance(part, str):
            if not isinstance(value, Mapping):
                raise BadExpression(f"{self.source}: there is no {part!r} in {_kind(value)}")
            if part not in value:
                raise BadExpression(f"{self.source}: there is no {part!r}")
            return value[part]
        if not isinstance(value, list):
            raise BadExpression(f"{self.source}: {_kind(value)} has no members with numbers")
        if part >= len(value):
            raise BadExpression(f"{self.source}: there are {len(value)} members, counted from 0")
        return value[part]


@dataclass(frozen=True, slots=True)
class Script:
    """JavaScript: an expression of `$(…)`, or the body of a function of `${…}`."""

    code: str
    is_body: bool


Part = str | Reference | Script


@dataclass(frozen=True, slots=True)
class Template:
    """A text whose expressions were found."""

    parts: Sequence[Part]

    @property
    def needs_javascript(self) -> bool:
        """Whether a part is more than a parameter reference."""
        return any(isinstance(part, Script) for part in self.parts)

    def evaluate(self, context: Mapping[str, Any]) -> Any:
        """Return the value; raises `BadExpression`. Scripts are not for here."""
        values = [part.evaluate(context) if isinstance(part, Reference) else part for part in self.parts]
        return self.joined(values)

    def joined(self, values: Sequence[Any]) -> Any:
        """Return the value that the values of all parts make up: that of the one part, else a text."""
        if len(self.parts) == 1:
            return values[0]
        texts = [value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in values]
        if sum(map(len, texts)) > TEXT_MAX:
            raise BadExpression(f"the text would be longer than {TEXT_MAX:,} characters")
        return "".join(texts)


def holds_expression(value: Any) -> bool:
    """Whether a value is a text with something to evaluate in it."""
    return isinstance(value, str) and ("$(" in value or "${" in value)


def template(text: str, *, javascript: bool, old_escapes: bool = False) -> Template:
    """Return the parts of a text; raises `BadExpression` for what is no reference where JavaScript is not allowed.

    `old_escapes` is for documents of v1.0 and v1.1, in which a backslash takes the next character as it is.
    """
    text = text.strip()
    parts: list[Part] = []
    plain: list[str] = []
    position = 0
    while position < len(text):
        here = text[position]
        if here == "$" and text[position + 1 : position + 2] in _OPENING:
            end = _end(text, position + 1)
            if plain:
                parts.append("".join(plain))
                plain = []
            parts.append(_part(text[position + 1 : end], javascript))
            position = end
        elif here == "\\":
            taken, position = _escaped(text, position, old_escapes)
            plain.append(taken)
        else:
            plain.append(here)
            position += 1
    if plain or not parts:
        parts.append("".join(plain))
    return Template(tuple(parts))


def reference(source: str) -> Reference | None:
    """Return the path that `(inputs.x[0])` names, brackets included; None if it is more than a path."""
    root = _ROOT.match(source, 1)
    if root is None:
        return None
    path: list[str | int] = []
    position = root.end()
    while position < len(source) - 1:
        found = _SEGMENT.match(source, position)
        if found is None:
            return None
        name, single, double, index = found.groups()
        quoted = single or double
        if quoted is not None:
            path.append(quoted.replace("\\'", "'").replace('\\"', '"'))
        else:
            path.append(name if name is not None else int(index))
        position = found.end()
    return Reference(root[0], tuple(path), f"${source}")


def _part(source: str, javascript: bool) -> Part:
    if source[0] == "{":
        if not javascript:
            raise BadExpression(f"${_short(source)} is JavaScript, which InlineJavascriptRequirement allows")
        return Script(source[1:-1], is_body=True)
    found = reference(source)
    if found is not None and found.root in ("inputs", "self", "runtime", "null"):
        return found
    if not javascript:
        raise BadExpression(
            f"${_short(source)} is not a parameter reference: JavaScript needs InlineJavascriptRequirement"
        )
    return Script(source[1:-1], is_body=False)


def _end(text: str, start: int) -> int:
    """Return the index after the bracket that closes the one at `start`; quoted brackets do not count."""
    opening, closing = text[start], _OPENING[text[start]]
    depth, position, quote = 0, start, ""
    while position < len(text):
        here = text[position]
        if quote:
            if here == "\\":
                position += 1
            elif here == quote:
                quote = ""
        elif here in "'\"":
            quote = here
        elif here == opening:
            depth += 1
        elif here == closing:
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    raise BadExpression(f"{_short(text[start - 1 :])} has no end")


def _escaped(text: str, position: int, old_escapes: bool) -> tuple[str, int]:
    following = text[position + 1 : position + 3]
    if old_escapes:
        return following[:1] or "\\", position + 2
    if following in ("$(", "${"):
        return following, position + 3
    if following[:1] == "\\":
        return "\\", position + 2
    return text[position : position + 2], position + 2


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def _kind(value: Any) -> str:
    kinds = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", type(None): "null"}
    return kinds.get(type(value), "an object")
