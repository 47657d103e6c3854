"""Outputs of a job on the user's machine: files from sandboxes under their own names, directories with listings."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from weyl.client.errors import UnexpectedAnswer
from weyl.client.sync import Client
from weyl.sandboxes import archive
from weyl.sandboxes.transfer import download

SANDBOX = "sandbox:"


def land(client: Client, outputs: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Put all files of an output object below a directory and return the object with their places there.

    Files keep their names; of several with one name the later ones get a directory of their own. Raises ArchiveFault
    if a sandbox cannot be read, UnexpectedAnswer if a file is not in it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # On the same file system, so that files are moved by name.
    with tempfile.TemporaryDirectory(prefix=".weyl-", dir=directory) as scratch:
        landing = _Landing(client, directory.resolve(), Path(scratch))
        return {name: landing.value(value, landing.directory) for name, value in outputs.items()}


class _Landing:
    def __init__(self, client: Client, directory: Path, scratch: Path) -> None:
        self._client = client
        self.directory = directory
        self._scratch = scratch
        self._unpacked: dict[str, Path] = {}
        self._taken: set[Path] = set()

    def value(self, value: Any, directory: Path) -> Any:
        """Return a value with its files in a directory."""
        if isinstance(value, list):
            return [self.value(item, directory) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") == "File":
            return self._file(value, directory)
        if value.get("class") == "Directory":
            return self._directory(value, directory)
        return {key: self.value(item, directory) for key, item in value.items()}

    def _file(self, value: Mapping[str, Any], directory: Path) -> dict[str, Any]:
        source = self._source(value)
        if source is None and not isinstance(value.get("contents"), str):
            # Somewhere else in the world: the job has passed an address through.
            return dict(value)
        target = self._target(value, source, directory)
        if source is None:
            target.write_text(value["contents"], encoding="utf-8")
        else:
            _put(source, target)
        landed = {**value, **described(target)}
        landed.pop("contents", None) if source is None else None
        if isinstance(value.get("secondaryFiles"), list):
            landed["secondaryFiles"] = [self.value(each, target.parent) for each in value["secondaryFiles"]]
        return landed

    def _directory(self, value: Mapping[str, Any], directory: Path) -> dict[str, Any]:
        source = self._source(value)
        listing = value.get("listing")
        if source is None and not isinstance(listing, list):
            return dict(value)
        target = self._target(value, source, directory)
        target.mkdir(exist_ok=True)
        if source is not None:
            shutil.copytree(source, target, copy_function=_put, dirs_exist_ok=True)
            landed = described(target, like=source)
        else:
            landed = {**described(target), "listing": [self.value(each, target) for each in listing or ()]}
        kept = {key: item for key, item in value.items() if key not in ("location", "path", "listing", "basename")}
        return {**kept, **landed}

    def _source(self, value: Mapping[str, Any]) -> Path | None:
        """Return the unpacked file or directory that a place in a sandbox means; None: it is in none."""
        place = str(value.get("location") or value.get("path") or "")
        if not place.startswith(SANDBOX):
            return None
        pfn, _, member = place.removeprefix(SANDBOX).partition("#")
        root = self._root(pfn)
        found = (root / unquote(member).rstrip("/")).resolve()
        if not found.is_relative_to(root) or not (found.is_dir() if value["class"] == "Directory" else found.is_file()):
            raise UnexpectedAnswer(f"The output {unquote(member)} is not in the sandbox of the job.")
        return found

    def _root(self, pfn: str) -> Path:
        if pfn not in self._unpacked:
            root = (self._scratch / str(len(self._unpacked))).resolve()
            archive.unpack(download(self._client, pfn, self._scratch), root)
            self._unpacked[pfn] = root
        return self._unpacked[pfn]

    def _target(self, value: Mapping[str, Any], source: Path | None, directory: Path) -> Path:
        """Return where a file or directory will be. A file that is there is replaced; in a directory others stay."""
        name = str(value.get("basename") or (source.name if source is not None else value["class"].lower()))
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise UnexpectedAnswer(f"The job calls an output {name!r}, which is not the name of a file.")
        target, number = directory / name, 1
        while target in self._taken:
            number += 1
            target = directory / str(number) / name
        self._taken.add(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.is_file():
            target.unlink()
        if target.is_dir() is not (value["class"] == "Directory") and target.exists():
            raise UnexpectedAnswer(f"There is a directory {target} already, where the job's file {name!r} belongs.")
        return target


def _put(source: str | Path, target: str | Path) -> str:
    """Give a file its place, without copying its bytes where the file system can, and never through a link."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return str(target)


def described(path: Path, *, like: Path | None = None) -> dict[str, Any]:
    """Return the File or Directory that a path is, directories with all that is in them, or in one like them."""
    shared = {"location": path.as_uri(), "path": str(path), "basename": path.name}
    if path.is_dir():
        names = sorted(each.name for each in (like or path).iterdir())
        listing = [described(path / name, like=like / name if like is not None else None) for name in names]
        return {"class": "Directory", **shared, "listing": listing}
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha1").hexdigest()
    return {"class": "File", **shared, "size": path.stat().st_size, "checksum": f"sha1${digest}"}


def local_place(text: str) -> str:
    """Return a `file://` URI or a path as a path."""
    return unquote(urlsplit(text).path) if text.startswith("file:") else text
