"""The built files of the pages, read once from the installed packages: what is not among them does not exist."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from weyl.kit.ids import sha256_hex

NONCE_MARK = "__NONCE__"
INDEX, DOCS, DOCS_LOGIN = PAGES = ("index.html", "docs.html", "docs-login.html")
HASHED = "assets/"
"""Below it the names of files hold a digest of their content."""

# By name and not by the machine's tables, which differ; a file of another kind is handed out as bytes.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
PACKED = {".css", ".html", ".js", ".json", ".map", ".mjs", ".svg", ".txt", ".webmanifest"}
PACKED_BYTES_MIN = 1_000


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, and packed if that makes it smaller."""

    body: bytes
    media_type: str
    etag: str
    packed: bytes | None = None

    @classmethod
    def of(cls, path: str, body: bytes) -> "Asset":
        """Take a file by what it is called."""
        suffix = PurePosixPath(path).suffix.lower()
        packed = None
        if suffix in PACKED and len(body) >= PACKED_BYTES_MIN:
            packed = _pack(body)
        kind = TYPES.get(suffix, "application/octet-stream")
        return cls(body, kind, sha256_hex(body)[:32], packed if packed and len(packed) < len(body) else None)


@dataclass(frozen=True, slots=True)
class Assets:
    """All files of the pages, and those of extensions by the name of the extension."""

    own: Mapping[str, Asset]
    extensions: Mapping[str, Mapping[str, Asset]]

    @classmethod
    def installed(cls, extensions: Mapping[str, str]) -> "Assets":
        """Read the files of this installation; `extensions` says where each has its own, as `package:folder`."""
        return cls(_read("weyl.web:static"), {name: _read(place) for name, place in extensions.items()})

    def page(self, name: str) -> str | None:
        """Return a page; none if the pages were not built."""
        return self.own[name].body.decode() if name in self.own else None


@lru_cache(maxsize=1024)
def _pack(body: bytes) -> bytes:
    # Kept, since a process may start several applications: the suites do so thousands of times.
    return gzip.compress(body, compresslevel=9, mtime=0)


@lru_cache(maxsize=16)
def _read(place: str) -> Mapping[str, Asset]:
    package, _, folder = place.partition(":")
    root: Traversable = files(package).joinpath(folder) if folder else files(package)
    return {path: Asset.of(path, body) for path, body in _walk(root, "")} if root.is_dir() else {}


def _walk(folder: Traversable, before: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{before}{entry.name}/")
        else:
            yield f"{before}{entry.name}", entry.read_bytes()
