"""Evaluates the expressions of requirements for many input objects: which value each has in each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from weyl_engine.javascript import Outcome, Scripts, TimeUp
from weyl_engine.references import BadExpression, Reference, Script, Template, template

CPU_TOTAL_S = 8.0
_FILES = ("File", "Directory")
_UNKNOWN = ("size", "checksum", "path", "dirname", "contents", "listing")


@dataclass(slots=True)
class Evaluated:
    """Values by row and expression, and what has none: row, expression, reason."""

    values: list[list[Any]] = field(default_factory=list)
    errors: list[tuple[int, int, str]] = field(default_factory=list)


def evaluated(expressions: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Evaluated:
    """Return the value of every expression in every row, as far as it has one.

    A row is an input object with the defaults of the document laid under it. Rows that give an expression the same
    inputs cost one evaluation.
    """
    found = Evaluated([[None] * len(expressions) for _ in rows])
    libraries: dict[tuple[str, ...], Scripts] = {}
    for number, expression in enumerate(expressions):
        library = tuple(expression.get("lib") or ())
        scripts = libraries.get(library)
        if scripts is None:
            scripts = libraries[library] = Scripts(library, cpu_total_s=CPU_TOTAL_S)
        for row, outcome in enumerate(_of_expression(expression, rows, scripts)):
            if outcome.error is None:
                found.values[row][number] = outcome.value
            else:
                found.errors.append((row, number, outcome.error))
    return found


def _of_expression(expression: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], scripts: Scripts) -> list[Outcome]:
    try:
        parsed = template(
            expression["text"], javascript=expression["javascript"], old_escapes=bool(expression.get("old_escapes"))
        )
    except BadExpression as error:
        return [Outcome(error=str(error))] * len(rows)
    bound = [inputs_of(expression["bind"], row) for row in rows]
    keys = [json.dumps(each, sort_keys=True) for each in bound]
    distinct = dict(zip(keys, bound, strict=True))
    try:
        allowed = scripts if expression["javascript"] else None
        outcomes = dict(zip(distinct, _of_rows(parsed, list(distinct.values()), allowed), strict=True))
    except TimeUp:
        late = Outcome(error=f"all expressions together take longer than {CPU_TOTAL_S:.0f} s")
        return [late] * len(rows)
    return [outcomes[key] for key in keys]


def _of_rows(parsed: Template, rows: list[dict[str, Any]], scripts: Scripts | None) -> list[Outcome]:
    columns: list[list[Outcome]] = []
    for part in parsed.parts:
        if isinstance(part, str):
            columns.append([Outcome(part)] * len(rows))
        elif isinstance(part, Reference):
            columns.append([_of_reference(part, row, scripts) for row in rows])
        else:
            columns.append(scripts.evaluate(part, rows) if scripts is not None else [])
    return [_joined(parsed, outcomes) for outcomes in zip(*columns, strict=True)]


def _of_reference(part: Reference, row: Mapping[str, Any], scripts: Scripts | None) -> Outcome:
    try:
        return Outcome(part.evaluate({"inputs": row, "self": None, "runtime": {}}))
    except BadExpression as error:
        if part.path and part.path[-1] in _UNKNOWN:
            return Outcome(error=f"{error}: only the node knows it, unless the File says it")
        if scripts is None:
            return Outcome(error=str(error))
    # To JavaScript, what is not there is undefined.
    return scripts.evaluate(Script(part.source[2:-1], is_body=False), [row])[0]


def _joined(parsed: Template, outcomes: Sequence[Outcome]) -> Outcome:
    error = next((each.error for each in outcomes if each.error is not None), None)
    if error is not None:
        return Outcome(error=error)
    try:
        return Outcome(parsed.joined([each.value for each in outcomes]))
    except BadExpression as error_:
        return Outcome(error=str(error_))


def inputs_of(bind: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that a tool gets, of those that an expression reads."""
    return {name: known(_bound(source, row)) for name, source in bind.items()}


def _bound(source: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    if "value" in source:
        return source["value"]
    value = row.get(source["input"])
    if value is None or ("written" in source and value == source["written"]):
        return source.get("default", value)
    return value


def known(value: Any) -> Any:
    """Return a value whose files say what their addresses tell: name, root and extension."""
    if isinstance(value, list):
        return [known(each) for each in value]
    if not isinstance(value, Mapping):
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
