"""Local files that input objects name, and the archive that carries them to the job."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from weyl.cwl.bundling import SCHEME
from weyl.cwl.siblings import is_expression, pattern_texts, siblings, stem_of

NO_SCHEMA: Mapping[str, Any] = {}
# Files that are brought along because an expression, which only the node evaluates, may name them.
GUESSED_MAX = 50


class FileFault(Exception):
    """Raised when an input names a local file that is not there."""


@dataclass(frozen=True, slots=True, order=True)
class Primary:
    """A local file or directory, and what has to lie beside it: (name, path) each."""

    name: str
    path: Path
    beside: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Stands in an input object where the place of a file in the archive will be."""

    primary: Primary
    name: str
    is_directory: bool

    @property
    def path(self) -> Path:
        """Where it is here."""
        return self.primary.path if self.name == self.primary.name else dict(self.primary.beside)[self.name]

    def placed(self, pfn: str, number: int) -> dict[str, Any]:
        """Return its place in a sandbox, and the size of a file, which requirements may depend on."""
        location = f"sandbox:{pfn}#{quote(f'{number}/{self.name}')}"
        if self.is_directory:
            return {"location": location + "/"}
        return {"location": location, "size": self.path.stat().st_size}

    def literal(self) -> dict[str, Any]:
        """Return the fields of an empty directory of its name, or of a literal file with the size that it has."""
        if self.is_directory:
            return {"basename": self.name, "listing": []}
        return {"basename": self.name, "contents": "", "size": self.path.stat().st_size}


@dataclass(frozen=True, slots=True)
class Localised:
    """An input object whose local files are marked, and these files in a fixed order."""

    value: Any
    primaries: tuple[Primary, ...]

    def members(self) -> dict[str, Path]:
        """Return what goes into the archive: a directory for each primary file, so that equal names do no harm."""
        found: dict[str, Path] = {}
        for number, primary in enumerate(self.primaries):
            found[f"{number}/{primary.name}"] = primary.path
            found |= {f"{number}/{name}": path for name, path in primary.beside}
        return found

    def placed(self, pfn: str) -> Any:
        """Return the input object with the places of its files in the sandbox `pfn`."""
        numbers = {primary: number for number, primary in enumerate(self.primaries)}
        return _filled(self.value, lambda member: member.placed(pfn, numbers[member.primary]))

    def emptied(self) -> Any:
        """Return the input object with empty files in place of local ones: to be checked, not to be run."""
        return _filled(self.value, Member.literal)


def unfilled(value: Any) -> Any:
    """Return what a server says of emptied files without the contents that they do not have."""
    if isinstance(value, list):
        return [unfilled(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_emptied = value.get("class") == "File" and value.get("contents") == "" and value.get("size")
    return {key: unfilled(item) for key, item in value.items() if not (is_emptied and key == "contents")}


def localise(value: Any, directory: Path, schema: Mapping[str, Any] = NO_SCHEMA) -> Localised:
    """Mark the local files of an input object; relative names begin in `directory`.

    With the JSON Schema of the inputs, secondary files are looked for beside each file, as the document's
    `secondaryFiles` say. Raises FileFault if a file is not there.
    """
    search = _Search(directory)
    marked = search.walk(value, [schema], "")
    return Localised(marked, tuple(sorted(search.primaries)))


def local_path(value: Mapping[str, Any], directory: Path) -> Path | None:
    """Return the local file that a File or Directory names; None: it is a literal, or elsewhere."""
    location, path = value.get("location"), value.get("path")
    found = None
    if isinstance(location, str) and location:
        found = _of_uri(location, directory)
    elif isinstance(path, str) and path:
        found = _of_uri(path, directory) if path.startswith("file:") else _of_path(path, directory)
    # By its text: a link keeps its own name.
    return None if found is None else Path(os.path.abspath(found))  # noqa: PTH100


def _of_uri(location: str, directory: Path) -> Path | None:
    if location.startswith("file:"):
        return Path(unquote(urlsplit(location).path))
    if SCHEME.match(location):
        return None
    decoded, literal = directory / unquote(location.partition("#")[0]), directory / location
    return literal if literal.exists() and not decoded.exists() else decoded


def _of_path(path: str, directory: Path) -> Path | None:
    found = directory / path
    return None if SCHEME.match(path) and not found.exists() else found


@dataclass(slots=True)
class _Search:
    """A walk through one input object."""

    directory: Path
    primaries: set[Primary] = field(default_factory=set)

    def walk(self, value: Any, schemas: Sequence[Mapping[str, Any]], place: str) -> Any:
        """Return a copy of a value in which each local file is marked."""
        branches = [branch for schema in schemas for branch in flat(schema)]
        if isinstance(value, list):
            items = [branch["items"] for branch in branches if isinstance(branch.get("items"), dict)]
            return [self.walk(item, items, f"{place}/{index}") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if value.get("class") == "File":
            return self._file(value, branches, place)
        if value.get("class") == "Directory":
            return self._directory(value, place)
        fields = [branch.get("properties", {}) for branch in branches]
        return {
            key: self.walk(item, [each[key] for each in fields if key in each], f"{place}/{key}")
            for key, item in value.items()
        }

    def _file(self, value: Mapping[str, Any], branches: Sequence[Mapping[str, Any]], place: str) -> Any:
        path = self._found(value, place, is_directory=False)
        given = value.get("secondaryFiles")
        given = given if isinstance(given, list) else []
        if path is None:
            # A literal, or elsewhere; its secondary files may be local all the same.
            return {**value, "secondaryFiles": self.walk(given, (), f"{place}/secondaryFiles")} if given else value
        patterns = [text for branch in branches for text in pattern_texts(branch.get("x-cwl-secondaryFiles"))]
        name = str(value.get("basename") or path.name)
        secondary = _with_siblings(given, path, siblings(name, patterns))
        beside = self._beside(secondary, place, taken={path.name})
        if any(map(is_expression, patterns)):
            beside |= _guessed(path, taken={path.name, *beside})
        primary = Primary(path.name, path, tuple(sorted(beside.items())))
        self.primaries.add(primary)
        marked = {**_without_place(value), "location": Member(primary, path.name, is_directory=False)}
        if secondary:
            marked["secondaryFiles"] = [self._secondary(each, primary, place) for each in secondary]
        return marked

    def _beside(self, secondary: Sequence[Any], place: str, *, taken: set[str]) -> dict[str, Path]:
        """Return the secondary files that will lie beside their primary file, by name."""
        beside: dict[str, Path] = {}
        for each in (each for each in secondary if isinstance(each, dict)):
            path = self._found(each, f"{place}/secondaryFiles", is_directory=_is_directory(each))
            if path is not None and path.name not in taken:
                beside.setdefault(path.name, path)
        return beside

    def _secondary(self, value: Any, primary: Primary, place: str) -> Any:
        path = local_path(value, self.directory) if isinstance(value, dict) else None
        if path is None or dict(primary.beside).get(path.name) != path:
            # Elsewhere, a literal, or one whose name is taken: it goes its own way.
            return self.walk(value, (), f"{place}/secondaryFiles")
        member = Member(primary, path.name, is_directory=_is_directory(value))
        return {**_without_place(value), "location": member}

    def _directory(self, value: Mapping[str, Any], place: str) -> Any:
        path = self._found(value, place, is_directory=True)
        if path is None:
            listing = value.get("listing")
            return {**value, "listing": self.walk(listing, (), f"{place}/listing")} if listing else value
        name = path.name or "directory"
        primary = Primary(name, path)
        self.primaries.add(primary)
        marked = {**_without_place(value), "location": Member(primary, name, is_directory=True)}
        # What is in it is seen on the node.
        marked.pop("listing", None)
        return marked

    def _found(self, value: Mapping[str, Any], place: str, *, is_directory: bool) -> Path | None:
        path = local_path(value, self.directory)
        if path is not None and not (path.is_dir() if is_directory else path.is_file()):
            what = "directory" if is_directory else "file"
            raise FileFault(f"{place.strip('/') or 'The input'}: there is no {what} {path}.")
        return path


def flat(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the branches of a union, of unions in it too; of any other schema itself."""
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        for branch in branches:
            yield from flat(branch)
    else:
        yield schema


def _with_siblings(given: Sequence[Any], path: Path, names: Iterator[str]) -> list[Any]:
    """Return the secondary files that an input names, and those that lie beside its file."""
    records = [each for each in given if isinstance(each, dict)]
    known = {Path(str(each.get("location") or each.get("path") or "")).name for each in records}
    known |= {each["basename"] for each in records if isinstance(each.get("basename"), str)}
    found = [path.with_name(name) for name in names if name not in known]
    more = [
        {"class": "Directory" if each.is_dir() else "File", "location": each.as_uri()}
        for each in found
        if each.exists()
    ]
    return [*given, *more]


def _guessed(path: Path, *, taken: set[str]) -> dict[str, Path]:
    """Return the files beside one whose names begin as its own does."""
    alike = (each for each in sorted(path.parent.iterdir()) if each.name.startswith(stem_of(path.name)))
    found = {each.name: each for each in alike if each.is_file() and each.name not in taken}
    return dict(list(found.items())[:GUESSED_MAX])


def _is_directory(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class") == "Directory"


def _without_place(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in ("location", "path")}


def _filled(value: Any, fields: Callable[[Member], dict[str, Any]]) -> Any:
    """Return a copy of a value with what `fields` says of each local file."""
    if isinstance(value, list):
        return [_filled(item, fields) for item in value]
    if not isinstance(value, dict):
        return value
    place = value.get("location")
    if isinstance(place, Member):
        # What the input object says itself, such as another name, counts.
        value = {**fields(place), **{key: item for key, item in value.items() if key != "location"}}
    return {key: _filled(item, fields) for key, item in value.items()}
