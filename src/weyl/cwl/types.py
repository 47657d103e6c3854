"""CWL types with local names: how they are written, and what is wrong with a value that should be of one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from weyl.cwl.problems import nearest

Type = Any
"""A text, a mapping with `type` (array, enum, record), or a list of types of which one must fit."""

INTEGERS = {"int": 2**31, "long": 2**63}
_FLOATS = ("float", "double")
FILES = ("File", "Directory")


class Fault(NamedTuple):
    """What is wrong with a part of an input object."""

    code: str
    detail: str
    pointer: str
    did_you_mean: str | None = None


def text_of_type(kind: Type) -> str:
    """Return a type as people write it, such as `int`, `File[]` or `string?`."""
    if isinstance(kind, list):
        rest = [each for each in kind if each != "null"]
        if len(rest) == 1 and len(kind) == 2:
            return f"{text_of_type(rest[0])}?"
        return " or ".join(map(text_of_type, kind))
    if isinstance(kind, Mapping):
        if kind["type"] == "array":
            inner = text_of_type(kind["items"])
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        if kind["type"] == "enum":
            return f"one of {', '.join(map(str, kind['symbols']))}"
        return str(kind["type"])
    return str(kind)


def is_optional(kind: Type) -> bool:
    """Tell whether null is of the type."""
    return kind == "null" or (isinstance(kind, list) and any(map(is_optional, kind)))


def holds_files(kind: Type) -> bool:
    """Tell whether a value of the type may be a File or a Directory, or have one in it."""
    if isinstance(kind, list):
        return any(map(holds_files, kind))
    if isinstance(kind, Mapping):
        if kind["type"] == "array":
            return holds_files(kind["items"])
        return kind["type"] == "record" and any(holds_files(each["type"]) for each in kind["fields"])
    return kind in (*FILES, "Any")


def is_always_a_file(kind: Type) -> bool:
    """Tell whether each value of the type is a File, or has one in it; lists and directories may be empty."""
    if isinstance(kind, list):
        return bool(kind) and all(map(is_always_a_file, kind))
    if isinstance(kind, Mapping):
        return kind["type"] == "record" and any(is_always_a_file(each["type"]) for each in kind["fields"])
    return kind in ("File", "stdout", "stderr")


def is_whole(kind: Type) -> bool:
    """Tell whether a value of the type is a whole number, or null."""
    if isinstance(kind, list):
        return all(each == "null" or is_whole(each) for each in kind)
    return isinstance(kind, str) and kind in INTEGERS


def takes_whole_only(kind: Type) -> bool:
    """Tell whether somewhere in a value of the type 1 may stand, and 1.0 not: for JSON Schema they are the same."""
    if isinstance(kind, list):
        return any(map(takes_whole_only, kind)) and not any(each in (*_FLOATS, "Any") for each in kind)
    if isinstance(kind, Mapping):
        if kind["type"] == "array":
            return takes_whole_only(kind["items"])
        return kind["type"] == "record" and any(takes_whole_only(each["type"]) for each in kind["fields"])
    return kind in INTEGERS


def takes_int(kind: Type) -> bool:
    """Tell whether a whole number may be of the type."""
    if isinstance(kind, list):
        return any(map(takes_int, kind))
    return kind in (*INTEGERS, *_FLOATS, "Any")


def faults(value: Any, kind: Type, pointer: str) -> Iterator[Fault]:
    """Yield what is wrong with a value; nothing if it is of the type. 1.0 is no int."""
    if isinstance(kind, list):
        yield from _faults_of_union(value, kind, pointer)
    elif isinstance(kind, Mapping):
        yield from _STRUCTURES.get(kind["type"], _faults_of_scalar)(value, kind, pointer)
    else:
        yield from _faults_of_scalar(value, {"type": kind}, pointer)


def _faults_of_union(value: Any, kinds: list[Type], pointer: str) -> Iterator[Fault]:
    alike = [kind for kind in kinds if kind != "null" and _is_alike(value, kind)]
    told = alike[0] if len(alike) == 1 else None
    if any(next(faults(value, kind, pointer), None) is None for kind in kinds if kind is not told):
        return
    if told is not None:
        # Looked at once only: unions may lie in unions.
        yield from faults(value, told, pointer)
    else:
        yield _mismatch(value, kinds, pointer)


def _is_alike(value: Any, kind: Type) -> bool:
    """Tell whether a value has the shape of a type, so that what is wrong inside it is worth telling."""
    name = kind["type"] if isinstance(kind, Mapping) else kind
    if isinstance(value, list):
        return bool(name == "array")
    return isinstance(value, dict) and name in ("record", value.get("class"))


def _faults_of_array(value: Any, kind: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    if not isinstance(value, list):
        yield _mismatch(value, kind, pointer)
        return
    for index, item in enumerate(value):
        yield from faults(item, kind["items"], f"{pointer}/{index}")


def _faults_of_enum(value: Any, kind: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    symbols = [str(each) for each in kind["symbols"]]
    if value not in symbols:
        guess = nearest(value, symbols) if isinstance(value, str) else None
        yield Fault("wrong-type", f"must be {text_of_type(kind)}, not {shown(value)}", pointer, guess)


def _faults_of_record(value: Any, kind: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield _mismatch(value, kind, pointer)
        return
    fields = {each["name"]: each["type"] for each in kind["fields"]}
    yield from faults_of_members(value, fields, pointer, optional=frozenset())


def faults_of_members(
    value: Mapping[str, Any], fields: Mapping[str, Type], pointer: str, *, optional: frozenset[str]
) -> Iterator[Fault]:
    """Yield what is wrong with the members of an object; those in `optional` may be left out, or be null."""
    for name, kind in fields.items():
        below = f"{pointer}/{escaped(name)}"
        given = value.get(name)
        if given is None and (name in optional or is_optional(kind)):
            continue
        if name not in value:
            yield Fault("missing-input", f"{name} is missing: it must be {text_of_type(kind)}", below)
        else:
            yield from faults(given, kind, below)
    for name in [each for each in value if each not in fields]:
        guess = nearest(name, fields)
        yield Fault("unknown-input", f"{name} is not declared", f"{pointer}/{escaped(name)}", guess)


def _faults_of_scalar(value: Any, kind: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    name = kind["type"]
    if name in INTEGERS and isinstance(value, int) and not isinstance(value, bool):
        if not -INTEGERS[name] <= value < INTEGERS[name]:
            yield Fault("wrong-type", f"{value} is out of the range of {name}", pointer)
    elif not _IS.get(name, _is_given)(value):
        yield _mismatch(value, name, pointer)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_given(value: Any) -> bool:
    return value is not None


_IS: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda _: False,
    "long": lambda _: False,
    "float": _is_number,
    "double": _is_number,
    "string": lambda value: isinstance(value, str),
    "File": lambda value: isinstance(value, dict) and value.get("class") == "File",
    "Directory": lambda value: isinstance(value, dict) and value.get("class") == "Directory",
    "Any": _is_given,
}
_STRUCTURES = {"array": _faults_of_array, "enum": _faults_of_enum, "record": _faults_of_record}


def _mismatch(value: Any, kind: Type, pointer: str) -> Fault:
    return Fault("wrong-type", f"must be {text_of_type(kind)}, not {shown(value)}", pointer)


def shown(value: Any) -> str:
    """Return a value for a message: what it is, and, if it is short, which."""
    if isinstance(value, dict):
        return str(value["class"])[:60] if value.get("class") in FILES else "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
