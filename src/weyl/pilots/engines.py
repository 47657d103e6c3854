"""The engine as one file: `weyl_engine` and what it imports, packed for nodes that have neither."""

import hashlib
import json
import platform
import re
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from weyl.pilots.errors import BadEngine
from weyl.pilots.tarballs import sha256_of, write_tarball

PACKAGE, ROOT, EXTRA = "weyl_engine", "weyl", "cwl"
MANIFEST, ENTRY = "engine.json", "__main__.py"
_ENTRY = b'''"""Runs the engine that lies beside this file."""

import runpy

runpy.run_module("weyl_engine", run_name="__main__", alter_sys=True)
'''
_MANIFEST_BYTES_MAX = 4096

# What an installer notes about this machine, and what no program needs to run.
_LEFT_OUT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
_FOLDERS_LEFT_OUT = frozenset({"__pycache__", "tests"})

_WHEEL_LIBC = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_")
_OLD_NAMES = {"manylinux1_": (2, 5), "manylinux2010_": (2, 12), "manylinux2014_": (2, 17)}

Members = Mapping[str, Callable[[], bytes]]
"""Names in the archive, in its order, and what reads each file."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a node must have: this Python, this machine, and this C library or a newer one."""

    python: str
    machine: str
    libc: str


@dataclass(frozen=True, slots=True)
class Engine:
    """An archive: what it needs, and the digest that names it."""

    needs: Needs
    sha256: str
    size: int

    def told(self) -> dict[str, str | int]:
        """Return what pilots are told of it."""
        return {**asdict(self.needs), "sha256": self.sha256, "size": self.size}


@dataclass(frozen=True, slots=True)
class Source:
    """What an archive is made of, before it is made."""

    needs: Needs
    members: Members
    digest: str
    """Changes whenever one of the files does, and is known without reading all of them."""


def source() -> Source:
    """Return what the engine of the running environment is made of; raises `BadEngine` where it cannot be packed."""
    parts = distributions()
    needs = Needs(
        python=f"{sys.version_info.major}.{sys.version_info.minor}", machine=platform.machine(), libc=_libc(parts)
    )
    found = {name: read for part in parts for name, read in _files_of(part)}
    own = {f"{PACKAGE}/{name}": entry.read_bytes for name, entry in _files_below(files(PACKAGE))}
    manifest = json.dumps(asdict(needs), sort_keys=True).encode()
    members = {MANIFEST: lambda: manifest, ENTRY: lambda: _ENTRY, **dict(sorted({**found, **own}.items()))}
    return Source(needs, members, _digest(parts, [manifest, _ENTRY, *(own[name]() for name in sorted(own))]))


def pack(made_of: Source, into: IO[bytes]) -> None:
    """Write the archive."""
    write_tarball(into, made_of.members.items())


def read_engine(path: Path) -> Engine:
    """Return what an archive says of itself; raises `BadEngine` if it is none, and `OSError`."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            stream = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            if stream is None:
                raise BadEngine(f"{path.name} does not begin with {MANIFEST}")
            document = json.loads(stream.read(_MANIFEST_BYTES_MAX))
        needs = Needs(**{name: str(document[name]) for name in ("python", "machine", "libc")})
        if not re.fullmatch(r"\d{1,3}\.\d{1,3}", needs.python):
            raise BadEngine(f"{path.name} is for the Python {needs.python[:20]!r}, which is no version")
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BadEngine(f"{path.name} is not an engine archive: {error}") from error
    with path.open("rb") as content:
        return Engine(needs, *sha256_of(content))


def distributions() -> list[Distribution]:
    """Return what the extra `cwl` installs, with all that it depends on, by name."""
    found: dict[str, Distribution] = {}
    wanted = list(_required_by_extra())
    asked: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in asked:
            continue
        asked.add((name, frozenset(requirement.extras)))
        found[name] = _installed(requirement.name)
        wanted.extend(_requirements(found[name], requirement.extras))
    return [found[name] for name in sorted(found)]


def _required_by_extra() -> Iterator[Requirement]:
    root = _installed(ROOT)
    plain = {str(requirement) for requirement in _requirements(root, ())}
    yield from (each for each in _requirements(root, {EXTRA}) if str(each) not in plain)


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise BadEngine(f"{name} is not installed: pip install 'weyl[{EXTRA}]'") from error


def _requirements(of: Distribution, extras: Iterable[str]) -> list[Requirement]:
    wanted = [Requirement(text) for text in of.requires or ()]
    return [each for each in wanted if each.marker is None or _holds(each, extras)]


def _holds(requirement: Requirement, extras: Iterable[str]) -> bool:
    assert requirement.marker is not None, "one with a condition"
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _files_of(part: Distribution) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for path in _listed(part):
        yield path.as_posix(), Path(str(part.locate_file(path))).read_bytes


def _listed(part: Distribution) -> list[PackagePath]:
    """Return the files of a distribution that a program may need; none of them lies outside the place of modules."""
    if part.files is None or '"editable": true' in (part.read_text("direct_url.json") or ""):
        raise BadEngine(f"{part.name} was not installed from a wheel, so nobody knows which files are its own")
    return [path for path in part.files if _is_taken(path.parts)]


def _is_taken(parts: Sequence[str]) -> bool:
    if ".." in parts or parts[0].startswith("/") or _FOLDERS_LEFT_OUT.intersection(parts[:-1]):
        return False
    in_metadata = parts[0].endswith(".dist-info")
    return not parts[-1].endswith((".pyc", ".pth")) and not (in_metadata and parts[-1] in _LEFT_OUT)


def _files_below(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in _FOLDERS_LEFT_OUT:
                yield from _files_below(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(".pyc"):
            yield f"{prefix}{entry.name}", entry


def _digest(parts: Sequence[Distribution], contents: Iterable[bytes]) -> str:
    """Digest our own files, and for those of others what their installer noted: the hash of each file."""
    digest = hashlib.sha256()
    for part in parts:
        noted = sorted(f"{path.as_posix()} {path.hash.value if path.hash else path.size}" for path in _listed(part))
        digest.update(f"{part.name} {part.version}\n".encode() + "\n".join(noted).encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _libc(parts: Sequence[Distribution]) -> str:
    """Return the oldest C library that will do for all; of what was built here that is the one of this machine."""
    wanted = [each for part in parts if (each := libc_of(part.read_text("WHEEL") or "")) is not None]
    family = "musl" if any(kind == "musl" for kind, _ in wanted) else "glibc"
    if not wanted or any(version == () for _, version in wanted):
        name, version = platform.libc_ver()
        return f"{name or family}{version}"
    return family + ".".join(map(str, max(version for _, version in wanted)))


def libc_of(wheel: str) -> tuple[str, tuple[int, ...]] | None:
    """Return what a wheel needs by its tags: None if nothing in it is compiled, no version if they do not say."""
    platforms = [line.rpartition("-")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    if platforms and set(platforms) == {"any"}:
        return None
    known = [found for each in platforms if (found := _libc_of_tag(each)) is not None]
    # Each of the tags is a promise: the oldest one holds as well.
    return min(known, key=lambda found: found[1]) if known else ("glibc", ())


def _libc_of_tag(tag: str) -> tuple[str, tuple[int, ...]] | None:
    if found := _WHEEL_LIBC.match(tag):
        return "musl" if found[1] == "musllinux" else "glibc", (int(found[2]), int(found[3]))
    return next((("glibc", version) for name, version in _OLD_NAMES.items() if tag.startswith(name)), None)
