"""Types of CWL with local names, whatever the loader made of them."""

from collections.abc import Mapping, Sequence
from typing import Any

DEPTH_MAX = 16
FILES = ("File", "Directory")


def local(name: str) -> str:
    """Return the last part of an identifier: `chunk` of `bundle:/main.cwl#main/chunk`."""
    return name.rpartition("#")[2].rpartition("/")[2]


def plain(value: Any) -> Any:
    """Return a value of the loader as plain JSON: its numbers and texts know how they were written."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


class Types:
    """Normalises the types of one process, whose named types are known."""

    def __init__(self, definitions: Sequence[Mapping[str, Any]] = ()) -> None:
        self._named = {str(each["name"]): each for each in definitions if "name" in each}

    def normal(self, written: Any, depth: int = 0) -> Any:
        """Return a type as a name, an object with `type`, or a list of these for a union."""
        if depth > DEPTH_MAX:
            return "Any"  # a record that contains itself
        if isinstance(written, str):
            if written in self._named:
                return self.normal(self._named[written], depth + 1)
            return local(written) if "#" in written or "/" in written else str(written)
        if isinstance(written, (list, tuple)):
            members = [self.normal(each, depth + 1) for each in written]
            return members[0] if len(members) == 1 else members
        return self._object(written, depth)

    def _object(self, written: Mapping[str, Any], depth: int) -> Any:
        if isinstance(written.get("name"), str):
            self._named.setdefault(str(written["name"]), written)
        kind = written.get("type")
        if kind == "array":
            return {"type": "array", "items": self.normal(written.get("items", "Any"), depth + 1)}
        if kind == "enum":
            return {"type": "enum", "symbols": [local(each) for each in written.get("symbols", ())]}
        if kind == "record":
            # The loader sorts by name what is written as a mapping.
            fields = [self._field(each, depth) for each in sorted(written.get("fields") or (), key=_written_at)]
            return {"type": "record", "fields": fields}
        return self.normal(kind, depth + 1)

    def _field(self, written: Mapping[str, Any], depth: int) -> dict[str, Any]:
        return {
            "name": local(str(written.get("name", ""))),
            "type": self.normal(written.get("type", "Any"), depth + 1),
            "label": text(written.get("label")),
            "doc": text(written.get("doc")),
            "secondary_files": secondary_files(written.get("secondaryFiles"), is_input=True),
        }


def _written_at(part: Any) -> tuple[int, int]:
    place = (getattr(getattr(part, "lc", None), "data", None) or {}).get("name", (0, 0))
    return place[0], place[1]


def text(written: Any) -> str | None:
    """Return a label or doc, which may be a list of lines."""
    if isinstance(written, (list, tuple)):
        return "\n".join(map(str, written))
    return str(written) if isinstance(written, str) else None


def secondary_files(written: Any, *, is_input: bool) -> list[dict[str, Any]]:
    """Return the patterns beside a file; what an expression decides is not required."""
    found = []
    for each in written if isinstance(written, (list, tuple)) else [written]:
        if isinstance(each, str):
            found.append({"pattern": each.removesuffix("?"), "required": is_input and not each.endswith("?")})
        elif isinstance(each, Mapping) and isinstance(each.get("pattern"), str):
            required = each.get("required")
            is_required = is_input if required is None else required is True
            found.append({"pattern": str(each["pattern"]), "required": is_required})
    return found


def members(kind: Any) -> list[Any]:
    """Return the types of a union, and a type that is none as the only one."""
    return kind if isinstance(kind, list) else [kind]


def is_optional(kind: Any) -> bool:
    """Whether a type takes null; `Any` does not."""
    return "null" in members(kind)


def alternatives(kind: Any) -> int:
    """Return how many types a part of a value may be held against before it is known whether the value fits."""
    if isinstance(kind, list):
        return sum(map(alternatives, kind))
    if not isinstance(kind, Mapping):
        return 1
    if kind["type"] == "array":
        return alternatives(kind["items"])
    return max((alternatives(each["type"]) for each in kind.get("fields", ())), default=1)


def is_of_files(kind: Any) -> bool:
    """Whether a type is a File or Directory, or a list or union of them."""
    return any(
        each in FILES or (isinstance(each, Mapping) and each["type"] == "array" and is_of_files(each["items"]))
        for each in members(kind)
    )


def compact(kind: Any) -> str:
    """Return a type in few characters: `int`, `File[]`, `record`, `enum`."""
    if isinstance(kind, list):
        named = [compact(each) for each in kind if each != "null"]
        return "|".join(named)
    if isinstance(kind, Mapping):
        if kind["type"] != "array":
            return str(kind["type"])
        items = compact(kind["items"])
        return f"({items})[]" if "|" in items else f"{items}[]"
    return str(kind)
