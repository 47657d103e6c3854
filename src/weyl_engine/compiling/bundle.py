"""The documents of one compilation, in memory, and where the references in them lead."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

SCHEME = "bundle"
_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


class EscapesBundle(Exception):
    """A reference to something that no bundle can hold; the text says what it is."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files by their paths, and which of them is meant."""

    entry: str
    fragment: str | None
    files: Mapping[str, bytes]

    def has(self, path: str) -> bool:
        """Whether there is a file, or a directory with files, at a path."""
        return path in self.files or self.has_directory(path)

    def has_directory(self, path: str) -> bool:
        """Whether a file lies below a path."""
        below = f"{path.rstrip('/')}/"
        return any(name.startswith(below) for name in self.files)


def url_of(path: str, fragment: str | None = None) -> str:
    """Return the address of a file, as the loader knows it."""
    address = f"{SCHEME}:/{quote(path)}"
    return address if fragment is None else f"{address}#{fragment}"


def path_of(url: str) -> str:
    """Return the path of the file that an address names; raises `EscapesBundle` for any other address."""
    if not url.startswith(f"{SCHEME}:/"):
        raise EscapesBundle(f"{url} is not a file of the bundle")
    path = unquote(urlsplit(url).path).lstrip("/")
    if ".." in path.split("/"):
        raise EscapesBundle(f"{path} lies outside of the bundle")
    return path


def followed(base: str, written: str) -> tuple[str, str]:
    """Return path and fragment of what a document at `base` refers to; raises `EscapesBundle`."""
    if _WITH_SCHEME.match(written) or written.startswith("//"):
        raise EscapesBundle("a URL, and the server fetches nothing")
    parts = urlsplit(written)
    path = unquote(parts.path)
    if path.startswith("/"):
        raise EscapesBundle("an absolute path")
    if not path:
        return base, parts.fragment
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(base), path))
    if joined == ".." or joined.startswith("../"):
        raise EscapesBundle("a path that leaves it")
    return joined, parts.fragment


def joined_url(base: str, written: str) -> str:
    """Return the address that a reference in the document at `base` has, as a loader asks for it.

    A path that leaves the bundle keeps its `..`, and an absolute one is a file elsewhere: no file of the bundle has
    such an address.
    """
    if not base.startswith(f"{SCHEME}:/") or _WITH_SCHEME.match(written) or written.startswith("_:"):
        return written
    if written.startswith("//"):
        return f"http:{written}"
    if written.startswith("/"):
        return f"file://{written}"
    if written.startswith("#") or not written:
        return base.partition("#")[0] + written
    parts = urlsplit(written)
    folder = posixpath.dirname(urlsplit(base).path)
    path = posixpath.normpath(posixpath.join(folder.lstrip("/"), parts.path))
    tail = f"#{parts.fragment}" if parts.fragment else ""
    return f"{SCHEME}:/{path.lstrip('/')}{tail}"
