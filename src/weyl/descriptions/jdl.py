"""The job description language: reads and writes JDL, the ClassAd dialect in which DIRAC's users describe jobs.

    document   = [ "[" ] { name "=" value ";" } [ "]" ]          the last ";" may be left out
    value      = string | number | true | false | undefined | list | record | expression
    list       = "{" [ value { "," value } ] "}"
    record     = "[" document "]"
    comment    = "//" to the end of the line | "#" to the end of the line | "/*" to "*/"

Names do not care about case: the ones that weyl knows come out as the documentation spells them. What is none of the
simple values is kept as text, with comments removed and blanks made single, because nothing here evaluates expressions.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from weyl.descriptions.attributes import canonical
from weyl.descriptions.errors import JDLSyntaxError

DEPTH_MAX = 32
"""How deeply lists and records may be nested."""


class Expression(str):
    """A value that is neither text nor number nor list: kept as it was written."""

    __slots__ = ()


Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
"""What an attribute may hold; an `Expression` is a kind of `str`."""

Document = dict[str, Value]
"""Attributes by name, in the order given."""

FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
# Every repetition below is of a single character class or of alternatives that begin differently, so none backtracks.
_BLANK = re.compile(r"(?:[ \t\r\n\f\v\ufeff]+|#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])", re.ASCII)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_WORD = re.compile(r"(?:true|false|undefined)(?![\w.])", re.IGNORECASE | re.ASCII)
_WORDS = {"true": True, "false": False, "undefined": None}
_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_RENDERED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"})
# One step through an expression: a blank, a string, a run of harmless characters, a comparison, or one character.
_STEP = re.compile(
    r"(?P<blank>[ \t\r\n\f\v\ufeff]+|#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)"
    r'|(?P<text>"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')'
    r"|(?P<plain>[^ \t\r\n\f\v\ufeff#/\"'(){}\[\],;=<>!]+|=[?!]=|[=<>!]=|[<>!])"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_CLOSES = {"(": ")", "{": "}", "[": "]"}
LARGEST = 2**63 - 1


def parse(text: str) -> Document:
    """Return the attributes of a JDL text; raises only `JDLSyntaxError`."""
    return _Parser(text).document()


def split(text: str) -> list[str]:
    """Return the texts of the descriptions that follow each other, each in its brackets; raises `JDLSyntaxError`."""
    return _Parser(text).texts()


def parse_value(text: str) -> Value:
    """Return what `text` would be as the value of an attribute; raises only `JDLSyntaxError`."""
    return _Parser(text).lone_value()


def render(document: Mapping[str, Value]) -> str:
    """Return a JDL text that reads back as `document`."""
    return "[\n" + "".join(f"  {name} = {_rendered(value)};\n" for name, value in document.items()) + "]\n"


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        bad = FORBIDDEN.search(text)
        if bad is not None:
            self._fail("text without the character " + ascii(bad[0]), bad.start())

    def document(self) -> Document:
        attributes = self._one()
        if self._at < len(self._text):
            self._fail("the end of the text")
        return attributes

    def texts(self) -> list[str]:
        found: list[str] = []
        while True:
            start = self._at
            self._one()
            found.append(self._text[start : self._at])
            if self._at == len(self._text):
                return found
            if self._peek() != "[":
                self._fail("the end of the text, or '[' of another description")

    def _one(self) -> Document:
        self._skip()
        closing = "]" if self._peek() == "[" else ""
        self._at += len(closing)
        attributes = self._attributes(closing, depth=0)
        self._at += len(closing)
        self._skip()
        if self._peek() == ";":
            self._at += 1
            self._skip()
        return attributes

    def lone_value(self) -> Value:
        value = self._value("", depth=0)
        if self._at < len(self._text):
            self._fail("the end of the value")
        return value

    def _attributes(self, closing: str, depth: int) -> Document:
        found: Document = {}
        spelled: dict[str, str] = {}
        opened_at = self._at - len(closing)
        while True:
            self._skip()
            if self._peek() == closing:
                return found
            if self._peek() == ";":
                self._at += 1
                continue
            match = NAME.match(self._text, self._at)
            if match is None:
                if closing and self._at == len(self._text):
                    self._fail("']', because '[' is never closed", opened_at)
                self._fail("the name of an attribute")
            self._at = match.end()
            self._skip()
            if self._peek() != "=" or self._text.startswith("==", self._at):
                self._fail(f"'=' after {match[0]!r}")
            self._at += 1
            # names inside a record belong to whatever the record is
            name = match[0] if depth else canonical(match[0])
            value = self._value(closing, depth, after=name)
            # An attribute given twice counts as given last, however it was spelled.
            found[spelled.setdefault(name.lower(), name)] = value
            if self._peek() == ";":
                self._at += 1
            elif self._peek() != closing:
                self._fail(f"';' after the value of {name}")

    def _value(self, ends: str, depth: int, *, after: str = "") -> Value:
        """Read one value up to `;` or one of `ends`, which is left unread."""
        if depth > DEPTH_MAX:
            self._fail(f"at most {DEPTH_MAX} nested lists and records")
        self._skip()
        start = self._at
        simple, value = self._simple(depth)
        if simple:
            self._skip()
            following = self._peek()
            if following in (";", "") or following in ends:
                return value
        self._at = start
        return self._expression(ends, after)

    def _simple(self, depth: int) -> tuple[bool, Value]:
        """Try to read a value that is no expression; the second item counts only if the first is true."""
        first = self._peek()
        if first == '"':
            match = _STRING.match(self._text, self._at)
            if match is None:
                self._fail("'\"' to close the text that begins here")
            self._at = match.end()
            return True, self._unescaped(match)
        if first == "{":
            return True, self._list(depth + 1)
        if first == "[":
            self._at += 1
            record = self._attributes("]", depth + 1)
            self._at += 1
            return True, record
        number = _NUMBER.match(self._text, self._at)
        if number is not None:
            self._at = number.end()
            return True, self._number(number[0], number.start())
        word = _WORD.match(self._text, self._at)
        if word is not None:
            self._at = word.end()
            return True, _WORDS[word[0].lower()]
        return False, None

    def _list(self, depth: int) -> list[Value]:
        opened_at = self._at
        self._at += 1
        values: list[Value] = []
        self._skip()
        while self._peek() != "}":
            if self._at == len(self._text):
                self._fail("'}', because '{' is never closed", opened_at)
            values.append(self._value(",}", depth))
            following = self._peek()
            if following == ",":
                self._at += 1
                self._skip()
            elif following == ";":
                self._fail("',' or '}' in a list")
        self._at += 1
        return values

    def _expression(self, ends: str, after: str) -> Expression:
        pieces: list[str] = []
        open_marks: list[tuple[str, int]] = []
        start = self._at
        while self._at < len(self._text):
            step = _STEP.match(self._text, self._at)
            assert step is not None, "the last alternative takes any character"
            piece = step[0]
            if step["blank"]:
                piece = " "
            elif step["mark"]:
                if not open_marks and (piece == ";" or piece in ends):
                    break
                self._check_mark(piece, open_marks, after)
            pieces.append(piece)
            self._at = step.end()
        if open_marks:
            mark, at = open_marks[-1]
            self._fail(f"'{_CLOSES[mark]}', because '{mark}' is never closed", at)
        text = "".join(_without_double_blanks(pieces)).strip(" ")
        if not text:
            self._fail(f"a value for {after}" if after else "a value", start)
        return Expression(text)

    def _check_mark(self, mark: str, open_marks: list[tuple[str, int]], after: str) -> None:
        if mark in _CLOSES:
            if len(open_marks) == DEPTH_MAX:
                self._fail(f"at most {DEPTH_MAX} nested brackets")
            open_marks.append((mark, self._at))
        elif mark in ")}]":
            if not open_marks or _CLOSES[open_marks[-1][0]] != mark:
                self._fail(f"no '{mark}' here, because nothing opened it")
            open_marks.pop()
        elif mark == "=" and not any(opened == "[" for opened, _ in open_marks):
            self._fail(f"';' before this '=', after the value of {after}" if after else "',' or '}' before '='")
        elif mark in "\"'":
            self._fail(f"{mark!r} to close the text that begins here")
        elif self._text.startswith("/*", self._at):
            self._fail("'*/' to close the comment that begins here")

    def _number(self, text: str, at: int) -> int | float:
        if text.lstrip("+-").isdigit():
            number = int(text) if len(text) < 30 else LARGEST + 1
            if abs(number) > LARGEST:
                self._fail("a number of at most 63 bits", at)
            return number
        if not math.isfinite(float(text)):
            self._fail("a finite number", at)
        return float(text)

    def _unescaped(self, match: re.Match[str]) -> str:
        content = match[1]
        if "\\" not in content:
            return content
        plain = _ESCAPE.sub(_unescape, content)
        if "\x00" in plain:
            self._fail("text without the character '\\000'", match.start())
        return plain

    def _skip(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None, "the pattern matches nothing, too"
        self._at = blank.end()
        if self._text.startswith("/*", self._at):
            self._fail("'*/' to close the comment that begins here")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self, expected: str, at: int | None = None) -> NoReturn:
        at = self._at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        column = at - (self._text.rfind("\n", 0, at) + 1) + 1
        raise JDLSyntaxError(line=line, column=column, expected=expected, found=self._text[at : at + 20])


_OUTSIDE = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/', re.DOTALL)
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_.\-]*)\s*=(?![=?!])")


def place_of(text: str, attribute: str) -> dict[str, int]:
    """Return line and column of the last place where an attribute is given a value, counted from 1; none if nowhere."""
    plain = _OUTSIDE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    places = [found.start() for found in _ASSIGNED.finditer(plain) if canonical(found[1]) == attribute]
    if not places:
        return {}
    at = places[-1]
    return {"line": text.count("\n", 0, at) + 1, "column": at - text.rfind("\n", 0, at)}


def _without_double_blanks(pieces: list[str]) -> Iterator[str]:
    before = ""
    for piece in pieces:
        if piece != " " or before != " ":
            yield piece
        before = piece


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 8))
    # An unknown escape stays as written, so that patterns such as "\." and "\d" survive.
    return _ESCAPES.get(match[2], match[0])


def _rendered(value: Value) -> str:
    match value:
        case Expression():
            return str(value)
        case str():
            return '"' + value.translate(_RENDERED) + '"'
        case None:
            return "undefined"
        case bool():
            return "true" if value else "false"
        case list():
            return "{" + ", ".join(map(_rendered, value)) + "}"
        case dict():
            return "[" + " ".join(f"{name} = {_rendered(item)};" for name, item in value.items()) + "]"
        case _:
            return repr(value)
