"""Turns the error texts of cwltool and schema-salad into problems with places."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from weyl_engine.compiling.bundle import SCHEME, EscapesBundle, path_of
from weyl_engine.compiling.problems import Problem, nearest
from weyl_engine.compiling.sources import Sources

DETAIL_MAX = 500
COLUMNS = "100000"
"""Width of the terminal that schema-salad writes for, as its environment variable: it must not break lines."""
_LINE = re.compile(rf"({SCHEME}:/.*?):(\d+):(\d+):( *)(.*)")
# Lines that only lead to the fault.
_ON_THE_WAY = re.compile(
    r"checking (field|object|item|position)|tried .* but$|.*field (with value .* )?is not valid because|"
    r"(array )?item is invalid because|\(\d+\) \(|Tool definition|Validation error in|Object .* is not valid because"
)
# Lines that begin a fault, however far they are indented.
_FRESH = re.compile(r"Step is missing|Workflow step output|Source ")
_INVALID_FIELD = re.compile(r"invalid field ['`](.+?)['`], expected one of: (.*)")
_SECTION = re.compile(r'^"(\w+)" section is not valid\.?$')
_UNKNOWN = re.compile(r"(references unknown identifier ['`].*?['`]), tried .*")
_ADDRESS = re.compile(rf"{SCHEME}:/")
_LOADERS_NAMES = (
    (re.compile(r"(ruamel\.yaml\.scalarstring\.)?\w*ScalarString\b"), "text"),
    (re.compile(r"(ruamel\.yaml\.scalar\w+\.)?Scalar(Float|Int|Boolean)\b"), "number"),
    (re.compile(r"(ruamel\.yaml\.comments\.)?CommentedSeq\b"), "list"),
    (re.compile(r"(ruamel\.yaml\.comments\.)?CommentedMap\b"), "mapping"),
    (re.compile(r"<class '(\w+)'>"), r"\1"),
)
_NUMBER_OF_LOADER = re.compile(r"\(\d{6,}\) ")


@dataclass(slots=True)
class _Line:
    """One line of an error text; what is indented below it belongs to it."""

    indent: int
    words: str
    bullet: str = ""
    path: str | None = None
    line: int = 1
    column: int = 1
    parts: list["_Line"] = field(default_factory=list)

    @property
    def leads_on(self) -> bool:
        """Whether each part is a fault; alternatives (`-`) that all failed are one."""
        if not self.parts or any(part.bullet == "-" for part in self.parts):
            return False
        return self.indent < 0 or _ON_THE_WAY.match(self.words) is not None


def complaints(text: str, sources: Sources, code: str = "invalid") -> list[Problem]:
    """Return a problem for each fault that an error text names."""
    root = _Line(-1, "")
    _grow(root, text)
    chains = list(_chains(root, []))
    telling = [chain for chain in chains if not _ON_THE_WAY.fullmatch(chain[-1].words.rstrip(":"))] or chains
    return [_problem(chain, sources, code) for chain in telling] or [
        Problem(code, _shortened(text), "", sources.bundle.entry, 1, 1)
    ]


def _grow(root: _Line, text: str) -> None:
    open_: list[_Line] = [root]
    for written in text.split("\n"):
        if not written.strip():
            continue
        last, made = open_[-1], _read(written)
        # Of an output of a step that its tool does not have, the other half stands where the tool is.
        if made.words.startswith("tool output (expected") and last.words.startswith("Workflow step output"):
            made.path = None
        if made.path is None and not made.bullet and last is not root and not _ON_THE_WAY.match(last.words):
            last.words += f" {made.words}"
            continue
        if _FRESH.match(made.words):
            open_ = [root]
        while open_[-1].indent >= made.indent and open_[-1] is not root:
            open_.pop()
        open_[-1].parts.append(made)
        open_.append(made)


def _read(written: str) -> _Line:
    found = _LINE.match(written)
    if found is None:
        words = written.strip()
        made = _Line(len(written) - len(written.lstrip()), words)
    else:
        address, line, column, _, words = found.groups()
        # Places differ in length; the column of the words says what belongs to what.
        made = _Line(found.start(5), words, "", _path(address), int(line), int(column))
    if words[:2] in ("* ", "- "):
        made.bullet, made.words = words[0], words[2:]
    return made


def _chains(node: _Line, above: list[_Line]) -> Iterator[list[_Line]]:
    chain = [*above, node] if node.indent >= 0 else above
    if node.leads_on:
        for part in node.parts:
            yield from _chains(part, chain)
    elif chain:
        # What says something of its own is one fault with all that explains it.
        yield [*chain, *_all(node)]


def _all(node: _Line) -> Iterator[_Line]:
    for part in node.parts:
        yield part
        yield from _all(part)


def _problem(chain: list[_Line], sources: Sources, code: str) -> Problem:
    telling = [each for each in chain if not each.leads_on]
    placed = [each for each in telling if each.path] or [each for each in chain if each.path][-1:]
    words = _shortened(": ".join(each.words.rstrip(":") for each in telling))
    unknown_field = _INVALID_FIELD.search(words)
    near = nearest(unknown_field[1], re.findall(r"['`](.+?)['`]", unknown_field[2])) if unknown_field else None
    detail = (
        _UNKNOWN.sub(r"\1", words) if near is None else f"invalid field {unknown_field[1]!r}" if unknown_field else ""
    )
    detail = _SECTION.sub(r"field '\1' is missing, or neither a mapping nor a list", detail)
    if not placed:
        return Problem(code, detail, "", sources.bundle.entry, 1, 1)
    # Where two ends do not fit, the second is the one that was chosen.
    place = placed[-1] if "is incompatible" in words else placed[0]
    path = place.path or ""
    pointer = sources.pointer_at(path, place.line, place.column, words)
    return Problem(_code(words, code), detail, pointer, path, place.line, place.column, did_you_mean=near)


def _code(words: str, code: str) -> str:
    if "and the server fetches nothing" in words or "outside of the bundle" in words:
        return "escapes-bundle"
    if "is not in the bundle" in words:
        return "unresolved-run"
    return code


def _path(address: str) -> str:
    try:
        return path_of(address)
    except EscapesBundle:
        return address


def _shortened(text: str) -> str:
    words = _NUMBER_OF_LOADER.sub("", _ADDRESS.sub("", " ".join(text.split())))
    for pattern, name in _LOADERS_NAMES:
        words = pattern.sub(name, words)
    return words if len(words) <= DETAIL_MAX else f"{words[: DETAIL_MAX - 1]}…"
