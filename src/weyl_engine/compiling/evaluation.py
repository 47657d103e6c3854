"""Evaluates the expressions of requirements for many input objects: which value each has in each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from weyl_engine.grouped import Grouped, alike, grouped, together
from weyl_engine.javascript import Outcome, Scripts, TimeUp
from weyl_engine.references import BadExpression, Reference, Script, Template, template

CPU_TOTAL_S = 8.0
_FILES = ("File", "Directory")
_UNKNOWN = ("size", "checksum", "path", "dirname", "contents", "listing")


@dataclass(slots=True)
class Evaluated:
    """Values by kind of row and expression, what has none (kind, expression, reason), and the kind of each row."""

    values: list[list[Any]] = field(default_factory=list)
    errors: list[tuple[int, int, str]] = field(default_factory=list)
    which: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What rows have as inputs, by name."""

    columns: Mapping[str, Grouped[Any]]
    count: int

    def of(self, bind: Mapping[str, Mapping[str, Any]]) -> Grouped[tuple[Any, ...]]:
        """Return what a tool gets of them: rows that give it the same are of one kind."""
        return together([self._bound(source) for source in bind.values()], self.count)

    def _bound(self, source: Mapping[str, Any]) -> Grouped[Any]:
        if "value" in source:
            return alike(known(source["value"]), self.count)
        column = self.columns.get(source["input"]) or alike(None, self.count)
        return column.each(lambda value: known(_or_default(source, value)))


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a tool gets as inputs, each made when somebody looks at it."""

    names: Sequence[str]
    values: Sequence[Sequence[Any]]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.names, values, strict=True)) for values in self.values)


def evaluated(expressions: Sequence[Mapping[str, Any]], columns: Mapping[str, Sequence[Any]], count: int) -> Evaluated:
    """Return the value of every expression in every one of `count` rows, as far as it has one.

    Columns are inputs, with the defaults of the document laid under them: one value for all rows, or one a row. Rows
    that give an expression the same inputs cost one evaluation.
    """
    inputs = _Inputs({name: grouped(column, count) for name, column in columns.items()}, count)
    libraries: dict[tuple[str, ...], Scripts] = {}
    outcomes = []
    for expression in expressions:
        library = tuple(expression.get("lib") or ())
        if library not in libraries:
            libraries[library] = Scripts(library, cpu_total_s=CPU_TOTAL_S)
        outcomes.append(_of_expression(expression, inputs, libraries[library]))
    rows = together(outcomes, count)
    found = Evaluated(which=rows.which)
    for kind, row in enumerate(rows.kinds):
        found.values.append([outcome.value for outcome in row])
        found.errors += [(kind, number, each.error) for number, each in enumerate(row) if each.error is not None]
    return found


def _of_expression(expression: Mapping[str, Any], inputs: _Inputs, scripts: Scripts) -> Grouped[Outcome]:
    try:
        parsed = template(
            expression["text"], javascript=expression["javascript"], old_escapes=bool(expression.get("old_escapes"))
        )
    except BadExpression as error:
        return alike(Outcome(error=str(error)), inputs.count)
    rows = inputs.of(expression["bind"])
    try:
        kinds = _Rows(tuple(expression["bind"]), rows.kinds)
        return rows.through(_of_rows(parsed, kinds, scripts if expression["javascript"] else None))
    except TimeUp:
        return alike(Outcome(error=f"all expressions together take longer than {CPU_TOTAL_S:.0f} s"), inputs.count)


def _of_rows(parsed: Template, rows: _Rows, scripts: Scripts | None) -> Grouped[Outcome]:
    columns: list[Grouped[Outcome]] = []
    for part in parsed.parts:
        if isinstance(part, str):
            columns.append(alike(Outcome(part), len(rows)))
        elif isinstance(part, Reference):
            columns.append(Grouped([_of_reference(part, row, scripts) for row in rows], range(len(rows))))
        elif scripts is not None:
            columns.append(scripts.evaluate(part, rows))
    return together(columns, len(rows)).each(lambda outcomes: _joined(parsed, outcomes))


def _of_reference(part: Reference, row: Mapping[str, Any], scripts: Scripts | None) -> Outcome:
    try:
        return Outcome(part.evaluate({"inputs": row, "self": None, "runtime": {}}))
    except BadExpression as error:
        if part.path and part.path[-1] in _UNKNOWN:
            return Outcome(error=f"{error}: only the node knows it, unless the File says it")
        if scripts is None:
            return Outcome(error=str(error))
    # To JavaScript, what is not there is undefined.
    return scripts.evaluate(Script(part.source[2:-1], is_body=False), [row]).kinds[0]


def _joined(parsed: Template, outcomes: Sequence[Outcome]) -> Outcome:
    error = next((each.error for each in outcomes if each.error is not None), None)
    if error is not None:
        return Outcome(error=error)
    try:
        return Outcome(parsed.joined([each.value for each in outcomes]))
    except BadExpression as error_:
        return Outcome(error=str(error_))


def _or_default(source: Mapping[str, Any], value: Any) -> Any:
    if value is None or ("written" in source and value == source["written"]):
        return source.get("default", value)
    return value


def known(value: Any) -> Any:
    """Return a value whose files say what their addresses tell: name, root and extension."""
    if isinstance(value, list):
        return [known(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: known(each) for key, each in value.items()}
    if made.get("class") not in _FILES:
        return made
    address = made.pop("path", None) or made.get("location")
    if "basename" not in made and isinstance(address, str):
        made["basename"] = _basename(address)
    if made["class"] == "File" and isinstance(made.get("basename"), str):
        root, dot, extension = made["basename"].rpartition(".")
        made["nameroot"], made["nameext"] = (root, dot + extension) if root else (made["basename"], "")
    return made


def _basename(address: str) -> str:
    member = address.rpartition("#")[2] if "#" in address else address
    return unquote(member.rstrip("/").rpartition("/")[2])
