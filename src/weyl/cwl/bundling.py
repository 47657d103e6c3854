"""The files that a CWL document needs, found on this machine by reading it: nothing is fetched, nothing is run."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from weyl.cwl.siblings import is_expression, pattern_texts, siblings
from weyl_engine.yaml12 import BadYaml, load

FILES_MAX = 10_000
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
BUNDLE_BYTES_MAX = 16 * 1024 * 1024
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Values below these keys are read as data: a `run` in them is a word like any other.
DATA_KEYS = ("hints", "requirements", "default")
IMPORTS = ("$import", "$mixin")


class BundleFault(Exception):
    """Raised when a document and what it names cannot be put together."""


@dataclass(frozen=True, slots=True)
class LocalBundle:
    """A document with all files that it names, by their paths below the directory that holds them all."""

    entry: str
    fragment: str | None
    files: Mapping[str, bytes]
    # Where the paths begin.
    root: Path


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a document names: by URI or by path; `is_read` if it is a document that may name others."""

    target: str
    is_uri: bool = True
    is_read: bool = False
    secondary: tuple[str, ...] = ()


def bundle(document: str | Path) -> LocalBundle:
    """Return a document (a path or a `file://` URI, with or without `#fragment`) with all files that it names.

    What is named and is not there is left out: the server says of which it needs. Raises BundleFault if the document
    cannot be read or there is too much of it.
    """
    path, fragment = locate(str(document))
    gathered = _Gathered()
    gathered.add_document(path)
    if path not in gathered.contents:
        raise BundleFault(f"There is no file {path}.")
    root = Path(os.path.commonpath([each.parent for each in gathered.contents]))
    files = {each.relative_to(root).as_posix(): content for each, content in sorted(gathered.contents.items())}
    return LocalBundle(path.relative_to(root).as_posix(), fragment, files, root)


def locate(document: str) -> tuple[Path, str | None]:
    """Split what names a local document into its absolute path and its fragment."""
    if document.startswith("file:"):
        parts = urlsplit(document)
        return _absolute(unquote(parts.path)), unquote(parts.fragment) or None
    if re.match(r"https?://", document):
        raise BundleFault(f"{document} is not a local file: download it, with the files that it names.")
    if Path(document).exists():
        return _absolute(document), None
    path, mark, fragment = document.rpartition("#")
    return (_absolute(path), fragment or None) if mark else (_absolute(document), None)


def _absolute(path: str) -> Path:
    # By its text: `..` is what it is in a URI, also behind a link.
    return Path(os.path.abspath(path))  # noqa: PTH100


def references(document: Any) -> Iterator[Reference]:
    """Yield every reference of a parsed document to a file outside of it."""
    ahead: list[tuple[Any, bool]] = [(document, False)]
    # Aliases of YAML make one object appear in many places.
    seen: set[tuple[int, bool]] = set()
    while ahead:
        node, is_data = ahead.pop()
        if (id(node), is_data) in seen or not isinstance(node, (dict, list)):
            continue
        seen.add((id(node), is_data))
        if isinstance(node, list):
            ahead += [(item, is_data) for item in node]
            continue
        yield from _references_of(node, is_data=is_data)
        ahead += [(item, is_data or key in DATA_KEYS) for key, item in node.items()]


def _references_of(node: Mapping[Any, Any], *, is_data: bool) -> Iterator[Reference]:
    for key in IMPORTS:
        if isinstance(node.get(key), str):
            yield Reference(node[key], is_read=True)
    # A step has inputs and outputs; an input may be called `run`.
    if isinstance(node.get("run"), str) and not is_data and ("in" in node or "out" in node):
        yield Reference(node["run"], is_read=True)
    if isinstance(node.get("$include"), str):
        yield Reference(node["$include"])
    schemas = node.get("$schemas")
    for each in schemas if isinstance(schemas, list) else [schemas]:
        if isinstance(each, str):
            yield Reference(each)
    if node.get("class") in ("File", "Directory"):
        yield from _value(node)
    if "default" in node and "secondaryFiles" in node:
        patterns = tuple(pattern_texts(node["secondaryFiles"]))
        defaults = node["default"] if isinstance(node["default"], list) else [node["default"]]
        for each in defaults:
            if isinstance(each, dict) and each.get("class") == "File":
                yield from _value(each, patterns)


def _value(node: Mapping[Any, Any], secondary: tuple[str, ...] = ()) -> Iterator[Reference]:
    """Yield what a File or Directory points to; one with `contents` or only a `listing` points to nothing."""
    for key in ("location", "path"):
        if isinstance(node.get(key), str):
            yield Reference(node[key], is_uri=key == "location", secondary=secondary)
            return


def resolve(reference: Reference, directory: Path) -> Path | None:
    """Return the local file that a document in `directory` names; None: an address, an expression, or itself."""
    target = reference.target
    if is_expression(target) or not target or target.startswith("/"):
        return None
    if not reference.is_uri:
        return None if target.startswith("file:") else _absolute(str(directory / target))
    if SCHEME.match(target) or target.startswith("#"):
        return None
    literal = _absolute(str(directory / target.partition("#")[0]))
    decoded = _absolute(str(directory / unquote(target.partition("#")[0])))
    return decoded if decoded.exists() or not literal.exists() else literal


@dataclass(slots=True)
class _Gathered:
    """The files found so far."""

    contents: dict[Path, bytes] = field(default_factory=dict)
    size: int = 0

    def add_document(self, first: Path) -> None:
        """Add a document and, from one to the next, all that it names."""
        ahead, read = [first], set[Path]()
        while ahead:
            path = ahead.pop()
            if path in read:
                continue
            read.add(path)
            if not self.add_file(path):
                continue
            try:
                document = load(self.contents[path].decode())
            except (BadYaml, UnicodeDecodeError):
                # The server says what is wrong with it, and where.
                continue
            for reference in references(document):
                target = resolve(reference, path.parent)
                if target is None:
                    continue
                if reference.is_read:
                    ahead.append(target)
                else:
                    self.add(target)
                    for name in siblings(target.name, reference.secondary):
                        self.add(target.with_name(name))

    def add(self, path: Path) -> None:
        """Add a file, or a directory with all that is in it."""
        if not path.is_dir():
            self.add_file(path)
            return
        for directory, names, files in os.walk(path):
            names.sort()
            for name in sorted(files):
                self.add_file(Path(directory) / name)

    def add_file(self, path: Path) -> bool:
        """Add a file if it is there, and say whether it is."""
        if path in self.contents:
            return True
        if not path.is_file():
            return False
        try:
            size = path.stat().st_size
            self.size += size
            self._check(path, size)
            self.contents[path] = path.read_bytes()
        except OSError as error:
            raise BundleFault(f"Cannot read {path}: {error.strerror}.") from error
        return True

    def _check(self, path: Path, size: int) -> None:
        if size > DOCUMENT_BYTES_MAX:
            raise BundleFault(
                f"{path} has {size / 2**20:.1f} MiB; a file of a document may have {DOCUMENT_BYTES_MAX // 2**20} MiB. "
                "Give large files as inputs."
            )
        if self.size > BUNDLE_BYTES_MAX:
            raise BundleFault(
                f"The document names more than {BUNDLE_BYTES_MAX // 2**20} MiB of files, {path} among them. "
                "Give large files as inputs."
            )
        if len(self.contents) >= FILES_MAX:
            raise BundleFault(f"The document names more than {FILES_MAX:,} files, {path} among them.")
