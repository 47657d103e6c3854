"""Flags for the inputs of a workflow, made from the JSON Schema of its input object, and what they say."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from weyl.cwl.bundling import SCHEME
from weyl.cwl.local_files import flat
from weyl_engine.yaml12 import BadYaml, load

Schema = Mapping[str, Any]
TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


class FlagFault(Exception):
    """Raised when flags do not fit the inputs of the workflow; `near` are names that were probably meant."""

    def __init__(self, message: str, near: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.near = near


class _Misfit(Exception):
    """Raised when a text is no value of a type; says what one looks like."""


@dataclass(frozen=True, slots=True)
class _Given:
    """One flag as it was typed."""

    name: str
    # None: nothing after it, as for `--verbose`.
    value: str | None


def parse(words: Sequence[str], schema: Schema, directory: Path) -> dict[str, Any]:
    """Return the input object that the words after `--` describe; paths begin in `directory`."""
    values: dict[str, Any] = {}
    misfits: list[str] = []
    for path, (name, texts, leaf) in _collected(words, schema).items():
        where = values
        for part in path[:-1]:
            where = where.setdefault(part, {})
        if not isinstance(where, dict) or path[-1] in where:
            raise FlagFault(f"--{name} is given both whole and by its fields.")
        try:
            where[path[-1]] = _value(texts, leaf, directory)
        except _Misfit as misfit:
            misfits.append(f"--{name}: {misfit}")
    if misfits:
        raise FlagFault("\n  ".join(misfits))
    return values


def values_of(name: str, texts: Sequence[str], schema: Schema, directory: Path) -> list[Any]:
    """Return texts as values of an input, one of its type each."""
    _, leaf = _find(name, schema)
    try:
        return [_value([text], leaf, directory) for text in texts]
    except _Misfit as misfit:
        raise FlagFault(f"{name}: {misfit}") from misfit


def wants_help(words: Sequence[str]) -> bool:
    """Say whether the words ask for help on the inputs."""
    return any(word in ("--help", "-h") for word in words)


def _collected(words: Sequence[str], schema: Schema) -> dict[tuple[str, ...], tuple[str, list[str | None], Schema]]:
    """Gather the values of each input, those of a repeated flag together."""
    found: dict[tuple[str, ...], tuple[str, list[str | None], Schema]] = {}
    for given in _split(words, schema):
        path, leaf = _find(given.name, schema)
        found.setdefault(path, (given.name, [], leaf))[1].append(given.value)
    return found


def _split(words: Sequence[str], schema: Schema) -> Iterator[_Given]:
    """Yield the flags with their values: `--name value`, `--name=value`, `--switch`, `--no-switch`."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("--") or word == "--":
            raise FlagFault(f"{word!r} is not a flag: write --NAME VALUE, as `-- --help` shows them.")
        name, equals, value = word[2:].partition("=")
        if equals:
            yield _Given(name, value)
            continue
        positive = name.removeprefix("no-")
        if positive != name and not _knows(name, schema) and _is_switch(positive, schema):
            yield _Given(positive, "false")
            continue
        # A negative number is a value; what begins with two dashes is the next flag.
        has_value = position < len(words) and not words[position].startswith("--")
        if _is_switch(name, schema):
            has_value = has_value and words[position].lower() in TRUE + FALSE
        if not has_value and not _is_switch(name, schema):
            _find(name, schema)
            raise FlagFault(f"--{name} needs a value.")
        yield _Given(name, words[position] if has_value else None)
        position += has_value


def _knows(name: str, schema: Schema) -> bool:
    try:
        _find(name, schema)
    except FlagFault:
        return False
    return True


def _is_switch(name: str, schema: Schema) -> bool:
    if not _knows(name, schema):
        return False
    return any(branch.get("type") == "boolean" for branch in flat(_find(name, schema)[1]))


def _find(name: str, schema: Schema) -> tuple[tuple[str, ...], Schema]:
    """Return where the value of a flag belongs, and its schema; `rec.field` is a field of a record."""
    properties = schema.get("properties") or {}
    if name in properties:
        return (name,), properties[name]
    # The names of inputs may hold dots themselves: the longest that exists counts.
    for head in sorted(properties, key=len, reverse=True):
        if name.startswith(head + "."):
            rest = name[len(head) + 1 :]
            for record in (branch for branch in flat(properties[head]) if _is_record(branch)):
                if _knows(rest, record):
                    path, leaf = _find(rest, record)
                    return (head, *path), leaf
    known = [name_ for name_, _ in named(schema)]
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    raise FlagFault(f"The workflow has no input {name!r}.", [f"--{each}" for each in near])


def named(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield the name and the schema of each input, and of each field of a record as `record.field`."""
    for name, inner in (schema.get("properties") or {}).items():
        yield prefix + name, inner
        for branch in flat(inner):
            if _is_record(branch):
                yield from named(branch, f"{prefix}{name}.")


def _is_record(schema: Schema) -> bool:
    return schema.get("type") == "object" and class_of(schema) is None and bool(schema.get("properties"))


def class_of(schema: Schema) -> str | None:
    """Return `File` or `Directory` if that is what a schema is of."""
    told = (schema.get("properties") or {}).get("class")
    name = told.get("const") if isinstance(told, dict) else None
    return name if name in ("File", "Directory") else None


def _value(texts: Sequence[str | None], schema: Schema, directory: Path) -> Any:
    """Return the value of an input: an array of all that was given, or the last of it."""
    branches = list(flat(schema))
    arrays = [branch for branch in branches if branch.get("type") == "array"]
    others = [branch for branch in branches if branch.get("type") != "array"]
    given = ["true" if text is None else text for text in texts]
    if arrays and (len(given) > 1 or not any(_fits(given[0], branch, directory) for branch in others)):
        return _array(given, arrays[0], directory)
    if len(given) > 1:
        raise _Misfit("it takes one value, and was given several.")
    return _single(given[0], others, directory)


def _array(texts: Sequence[str], schema: Schema, directory: Path) -> list[Any]:
    items = schema.get("items")
    items = items if isinstance(items, dict) else {}
    if len(texts) == 1 and texts[0].lstrip().startswith("["):
        # All of it at once; the texts of an array of texts may begin with a bracket, but are then no JSON.
        try:
            whole = json.loads(texts[0])
        except ValueError:
            whole = None
        if isinstance(whole, list):
            return whole
    return [_value([text], items, directory) for text in texts]


def _single(text: str, branches: Sequence[Schema], directory: Path) -> Any:
    reasons = []
    for branch in sorted(branches, key=_order):
        try:
            return _read(text, branch, directory)
        except _Misfit as misfit:
            reasons.append(str(misfit))
    raise _Misfit(" or ".join(dict.fromkeys(reasons)) or f"{text!r} is not a value of it.")


def _fits(text: str, branch: Schema, directory: Path) -> bool:
    if branch.get("type") == "null":
        return False
    try:
        _read(text, branch, directory)
    except _Misfit:
        return False
    return True


def _order(branch: Schema) -> int:
    """Sort the types of a union: those that take few texts first, any text last."""
    if class_of(branch) is not None:
        return 2
    kind = branch.get("type")
    order = {"null": 6, "boolean": 1, "integer": 0, "number": 1, "object": 1, "string": 4}
    return 0 if "enum" in branch else order.get(str(kind), 5)


def _read(text: str, branch: Schema, directory: Path) -> Any:
    """Return a text as a value of one type, or raise `_Misfit`."""
    if "enum" in branch:
        choices = [str(each) for each in branch["enum"]]
        if text not in choices:
            raise _Misfit(f"{text!r} is not one of {', '.join(choices)}.")
        return text
    kind = class_of(branch)
    if kind is not None:
        return _place(text, kind, directory)
    reader = READERS.get(str(branch.get("type")))
    return reader(text, branch) if reader is not None else _any(text)


def _place(text: str, kind: str, directory: Path) -> dict[str, Any]:
    """Return a File or Directory: a local path, an address, or the record itself in JSON."""
    if text.startswith("{"):
        value = _any(text)
        if isinstance(value, dict):
            return {"class": kind, **value}
    path = directory / text
    if not path.exists() and SCHEME.match(text):
        return {"class": kind, "location": text}
    if not (path.is_dir() if kind == "Directory" else path.is_file()):
        raise _Misfit(f"there is no {kind.lower()} {text}.")
    return {"class": kind, "location": path.absolute().as_uri()}


def _integer(text: str, schema: Schema) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise _Misfit(f"{text!r} is not a whole number.")
    number = int(text)
    low, high = schema.get("minimum", number), schema.get("maximum", number)
    if not low <= number <= high:
        raise _Misfit(f"{text} is not between {low} and {high}.")
    return number


def _number(text: str, schema: Schema) -> float | int:
    try:
        number = float(text)
    except ValueError as error:
        raise _Misfit(f"{text!r} is not a number.") from error
    if not math.isfinite(number) or "_" in text:
        raise _Misfit(f"{text!r} is not a number.")
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else number


def _boolean(text: str, schema: Schema) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise _Misfit(f"{text!r} is neither true nor false.")
    return text.lower() in TRUE


def _null(text: str, schema: Schema) -> None:
    if text != "null":
        raise _Misfit("it takes no value.")


def _object(text: str, schema: Schema) -> Any:
    value = _any(text) if text.lstrip().startswith("{") else None
    if not isinstance(value, dict):
        raise _Misfit(f"{text!r} is not a record: give its fields, or all of it in JSON.")
    return value


def _string(text: str, schema: Schema) -> str:
    return text


def _any(text: str) -> Any:
    try:
        return load(text)
    except BadYaml as error:
        raise _Misfit(f"{text!r} is not YAML.") from error


READERS: Mapping[str, Callable[[str, Schema], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
    "object": _object,
    "string": _string,
}


def help_text(schema: Schema, *, name: str, doc: str | None) -> str:
    """Return the flags of a workflow with their types, defaults and what its author says of them."""
    required = set(schema.get("required") or ())
    rows = [(f"--{flag}", type_text(inner), _remarks(flag, inner, required)) for flag, inner in named(schema)]
    if not rows:
        return f"{name} takes no inputs.\n"
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"  {flag:<{widths[0]}}  {kind:<{widths[1]}}  {remarks}".rstrip() for flag, kind, remarks in rows]
    about = f"{doc.strip()}\n\n" if doc else ""
    return f"Inputs of {name}, after `--`:\n\n{about}" + "\n".join(lines) + "\n\n" + USAGE


USAGE = (
    "Repeat a flag for the items of an array. Switches are --name and --no-name. Records take JSON, or their fields.\n"
)


def type_text(schema: Schema) -> str:
    """Return the type of an input in a few characters."""
    if isinstance(schema.get("x-cwl-type"), str):
        text = str(schema["x-cwl-type"])
        choices = next(("|".join(map(str, b["enum"])) for b in flat(schema) if "enum" in b), None)
        return choices if text == "enum" and choices else text
    names = {"integer": "int", "number": "float", "object": "record"}
    return "|".join(str(class_of(b) or names.get(str(b.get("type")), b.get("type", "any"))) for b in flat(schema))


def _remarks(flag: str, schema: Schema, required: set[str]) -> str:
    parts = [" ".join(str(schema[key]).split()) for key in ("title", "description") if schema.get(key)]
    if "default" in schema:
        parts.append(f"[default: {json.dumps(schema['default'])}]")
    elif flag in required:
        parts.append("[required]")
    return " ".join(dict.fromkeys(parts))
