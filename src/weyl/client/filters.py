"""The filter language of `--where` and of the web page's address: text, conditions, the API's search specs.

Status not in (Done, Failed) and Site = LCG.* and LastUpdateTime > -2d

Queries for files have a directory before it, and more operators:

under /vo/mc: Run between 1200 and 1299 and Particle in (gamma, proton) and SE = DESY-DISK and Comment missing
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weyl.client.errors import UsageFault
from weyl.client.times import before, is_relative

SYMBOLS = {"=": "eq", "!=": "neq", ">": "gt", "<": "lt", "~": "regex"}
WORDS = {"like": "like", "not like": "not like", "in": "in", "not in": "not in"}
SPELLINGS = {spec: symbol for symbol, spec in SYMBOLS.items()} | {spec: word for word, spec in WORDS.items()}
LISTS = ("in", "not in")
# Of queries for files alone.
QUERY_SYMBOLS = {">=": "gte", "<=": "lte", **SYMBOLS}
QUERY_WORDS = {"between": "between", "exists": "exists", "missing": "missing", **WORDS}
QUERY_SPELLINGS = {spec: word for word, spec in {**QUERY_SYMBOLS, **QUERY_WORDS}.items()}
ALONE = ("exists", "missing")

SPACE = re.compile(r"\s*")
NAME = re.compile(r"[A-Za-z_][\w.]*")
OPERATOR = re.compile(r"!=|[=><~]|not[\s-]+(?:in|like)\b|(?:in|like)\b")
BARE = re.compile(r"[^\s,()'\"]+")
QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")
AND = re.compile(r"and\b", re.IGNORECASE)
QUERY_NAME = re.compile(r"[A-Za-z_][\w.-]*")
QUERY_OPERATOR = re.compile(r"!=|[<>]=|[=><~]|not[\s-]+(?:in|like)\b|(?:in|like|between|exists|missing)\b")
# A directory; a field may be called `under`, too.
UNDER = re.compile(r"under\s+(?=[/\"']|lfn:)", re.IGNORECASE)
PATH = re.compile(r"[^\s'\"]+?(?=:?(?:\s|$))")
DEPTH = re.compile(r"depth\s+(?=\d)")
NUMBER = re.compile(r"\d{1,3}\b", re.ASCII)
COLON = re.compile(":")


@dataclass(frozen=True, slots=True)
class Word:
    """A value as written; in quotes it is taken literally, otherwise `*` and `-2d` have a meaning."""

    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: the column, the operator by its name in the API, and the values (one, unless it takes a list)."""

    parameter: str
    operator: str
    values: tuple[Word, ...]

    def spec(self, now: datetime) -> dict[str, Any]:
        """Return the condition as the API wants it; `now` is what relative times count from."""
        operator = self.operator
        if operator in ALONE:
            return {"parameter": self.parameter, "operator": operator}
        if operator in (*LISTS, "between"):
            return {"parameter": self.parameter, "operator": operator, "values": [_moment(w, now) for w in self.values]}
        word = self.values[0]
        value = _moment(word, now)
        if operator in ("eq", "neq") and "*" in word.text and not word.is_quoted:
            operator = "like" if operator == "eq" else "not like"
            value = like_pattern(word.text)
        return {"parameter": self.parameter, "operator": operator, "value": value}


def parse(text: str) -> tuple[Condition, ...]:
    """Read a filter; raises UsageFault that points at what is wrong."""
    return tuple(_Reader(text).conditions())


def render(conditions: Iterable[Condition]) -> str:
    """Write conditions in the filter language; `parse` reads the same conditions back."""
    return " and ".join(_render_condition(condition) for condition in conditions)


def specs(conditions: Iterable[Condition], now: datetime) -> list[dict[str, Any]]:
    """Return conditions as the API's search specs."""
    return [condition.spec(now) for condition in conditions]


@dataclass(frozen=True, slots=True)
class FileQuery:
    """A query for files: below which directory, how many levels, and the conditions."""

    under: str | None
    depth: int | None
    conditions: tuple[Condition, ...]

    def body(self, now: datetime) -> dict[str, Any]:
        """Return the query as `POST /api/files/search` wants it; `now` is what relative times count from."""
        said = {"under": self.under, "depth": self.depth}
        where = [condition.spec(now) for condition in self.conditions]
        return {name: value for name, value in said.items() if value is not None} | {"where": where}


def parse_query(text: str) -> FileQuery:
    """Read a query for files, which may be empty; raises UsageFault that points at what is wrong."""
    return _QueryReader(text).query()


def render_query(query: FileQuery) -> str:
    """Write a query for files; `parse_query` reads the same query back."""
    conditions = " and ".join(map(_render_query_condition, query.conditions))
    if query.under is None:
        return conditions
    is_plain = query.under[:1] == "/" and query.under[-1:] != ":" and PATH.fullmatch(query.under)
    path = query.under if is_plain else _quoted(query.under)
    start = f"under {path}" if query.depth is None else f"under {path} depth {query.depth}"
    return f"{start}: {conditions}" if conditions else start


def like_pattern(text: str) -> str:
    """Return the pattern of SQL's LIKE for a text in which `*` stands for anything."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def parse_peer_condition(text: str) -> dict[str, Any]:
    """Read DiracX's `--condition "P op value"`, where the value is the rest of the text, or a JSON list."""
    match = re.match(r"\s*(\S+)\s+(not[\s-]+(?:in|like)|\S+)\s+(.*?)\s*$", text, re.DOTALL)
    if match is None:
        raise _peer_fault(text)
    parameter, operator, value = match[1], re.sub(r"[\s-]+", " ", match[2]), match[3]
    if operator in LISTS:
        return {"parameter": parameter, "operator": operator, "values": _json_list(text, value)}
    if operator not in SPELLINGS:
        raise _peer_fault(text)
    return {"parameter": parameter, "operator": operator, "value": value}


def _json_list(text: str, value: str) -> list[str]:
    try:
        values = json.loads(value)
    except ValueError:
        values = None
    if not isinstance(values, list):
        raise UsageFault(f"The value in {text!r} is not a JSON list.", hint='Write it as: Status in ["Done", "Failed"]')
    return [str(each) for each in values]


def _peer_fault(text: str) -> UsageFault:
    return UsageFault(
        f"Cannot read the condition {text!r}.",
        hint="Write: PARAMETER OPERATOR VALUE, with one of eq neq gt lt like 'not like' regex in 'not in'.",
    )


def _moment(word: Word, now: datetime) -> str:
    return before(now, word.text) if is_relative(word.text) and not word.is_quoted else word.text


def _render_condition(condition: Condition) -> str:
    operator = SPELLINGS[condition.operator]
    values = [_render_word(word) for word in condition.values]
    value = f"({', '.join(values)})" if condition.operator in LISTS else values[0]
    return f"{condition.parameter} {operator} {value}"


def _render_query_condition(condition: Condition) -> str:
    spelling = QUERY_SPELLINGS[condition.operator]
    if condition.operator in ALONE:
        return f"{condition.parameter} {spelling}"
    if condition.operator == "between":
        low, high = map(_render_word, condition.values)
        return f"{condition.parameter} {spelling} {low} and {high}"
    values = [_render_word(word) for word in condition.values]
    value = f"({', '.join(values)})" if condition.operator in LISTS else values[0]
    return f"{condition.parameter} {spelling} {value}"


def _render_word(word: Word) -> str:
    return _quoted(word.text) if word.is_quoted else word.text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)


class _Reader:
    """Walks through the text of a filter once, from left to right."""

    what = "filter"
    example = 'Like this: Status in (Done, Failed) and Site = LCG.* and JobName = "a b" and LastUpdateTime > -2d'

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def conditions(self) -> Sequence[Condition]:
        found = [self.condition()]
        while not self.is_at_end():
            if not self.take(AND):
                raise self.fault("expected `and`")
            found.append(self.condition())
        return found

    def condition(self) -> Condition:
        name = self.take(NAME)
        if name is None:
            raise self.fault("expected the name of a column")
        operator = self.take(OPERATOR)
        if operator is None:
            raise self.fault("expected one of = != > < ~ in, not in, like, not like")
        operator = SYMBOLS.get(operator) or WORDS[re.sub(r"[\s-]+", " ", operator)]
        if operator in LISTS:
            return Condition(name, operator, self.list_of_words())
        return Condition(name, operator, (self.word(),))

    def list_of_words(self) -> tuple[Word, ...]:
        if not self.take(re.compile(r"\(")):
            raise self.fault("expected a list in round brackets")
        words: list[Word] = []
        if self.take(re.compile(r"\)")):
            return ()
        while True:
            words.append(self.word())
            if self.take(re.compile(r"\)")):
                return tuple(words)
            if not self.take(re.compile(",")):
                raise self.fault("expected `,` or `)`")

    def word(self) -> Word:
        quoted = self.take(QUOTED)
        if quoted is not None:
            return Word(_unquoted(quoted), is_quoted=True)
        bare = self.take(BARE)
        if bare is None:
            raise self.fault("expected a value")
        return Word(bare)

    def take(self, pattern: re.Pattern[str]) -> str | None:
        start = self.skip_space()
        match = pattern.match(self.text, start)
        if match is None:
            return None
        self.at = match.end()
        return match[0]

    def skip_space(self) -> int:
        match = SPACE.match(self.text, self.at)
        assert match is not None
        return match.end()

    def is_at_end(self) -> bool:
        return self.skip_space() == len(self.text)

    def fault(self, expected: str) -> UsageFault:
        at = self.skip_space()
        rest = self.text[at : at + 20]
        where = f"at {rest!r}" if rest else "at its end"
        return UsageFault(f"Cannot read the {self.what} {self.text!r}: {expected} {where}.", hint=self.example)


class _QueryReader(_Reader):
    """Walks through the text of a query for files."""

    what = "query"
    example = "Like this: under /vo/mc: Run between 1200 and 1299 and Particle in (gamma, proton) and Comment missing"

    def query(self) -> FileQuery:
        under = depth = None
        if self.take(UNDER):
            under, depth = self.directory()
        conditions = () if self.is_at_end() else tuple(self.conditions())
        return FileQuery(under, depth, conditions)

    def directory(self) -> tuple[str, int | None]:
        quoted = self.take(QUOTED)
        path = self.take(PATH) if quoted is None else _unquoted(quoted)
        if path is None:
            raise self.fault("expected a directory")
        depth = None
        if self.take(DEPTH):
            digits = self.take(NUMBER)
            if digits is None:
                raise self.fault("expected a number of levels")
            depth = int(digits)
        if not self.take(COLON) and not self.is_at_end():
            raise self.fault("expected `:`")
        return path, depth

    def condition(self) -> Condition:
        name = self.take(QUERY_NAME)
        if name is None:
            raise self.fault("expected the name of a field")
        operator = self.take(QUERY_OPERATOR)
        if operator is None:
            raise self.fault("expected one of = != > < >= <= ~ in, not in, between, like, not like, exists, missing")
        operator = QUERY_SYMBOLS.get(operator) or QUERY_WORDS[re.sub(r"[\s-]+", " ", operator)]
        if operator in LISTS:
            return Condition(name, operator, self.list_of_words())
        if operator in ALONE:
            return Condition(name, operator, ())
        if operator != "between":
            return Condition(name, operator, (self.word(),))
        low = self.word()
        if not self.take(AND):
            raise self.fault("expected `and` and the larger value")
        return Condition(name, operator, (low, self.word()))
