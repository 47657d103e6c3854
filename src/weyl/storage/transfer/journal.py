"""What is known here of an upload that is open: written while it goes on, read by who goes on with it after Ctrl-C.

A journal is a file of JSON lines. The first says which files are in which upload; each of the others adds one fact.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from weyl.storage.transfer.local_files import LocalFile

# The server forgets an upload after a day.
AGE_MAX_S = 24 * 3600
SUFFIX = ".upload"


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a file has landed: the storage element, and what S3 answered for each part of it."""

    se: str
    etags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the server takes it."""
        return {"se": self.se} | ({"etags": list(self.etags)} if self.etags else {})


@dataclass(slots=True)
class Journal:
    """An upload that is open; locked for whoever works on it."""

    # None: kept in memory only.
    path: Path | None
    upload_id: str
    # LFN -> path, size, mtime_ns and checksums of the file when it was announced.
    files: dict[str, dict[str, Any]]
    landed: dict[str, Landed] = field(default_factory=dict)
    # (LFN, id of S3's multipart upload) -> number -> tag of the parts that are there.
    parts: dict[tuple[str, str], dict[int, str]] = field(default_factory=dict)
    _file: TextIO | None = field(default=None, repr=False)

    def note_landed(self, lfn: str, landed: Landed) -> None:
        """Note that a file is where it was to be put."""
        self.landed[lfn] = landed
        self._add({"landed": lfn, **landed.as_json()})

    def note_part(self, lfn: str, upload: str, number: int, etag: str) -> None:
        """Note that a part of a file is there."""
        self.parts.setdefault((lfn, upload), {})[number] = etag
        self._add({"part": lfn, "upload": upload, "number": number, "etag": etag})

    def is_of(self, file: LocalFile) -> bool:
        """Tell whether a local file is still what was announced."""
        known = self.files.get(file.lfn)
        return known is not None and (known["path"], known["size"], known["mtime_ns"]) == _identity(file)

    def leave(self) -> None:
        """Leave the upload for another time."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Forget the upload: it is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.leave()

    def _add(self, fact: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(fact, separators=(",", ":")) + "\n")
            self._file.flush()


def _identity(file: LocalFile) -> tuple[str, int, int]:
    return str(file.path.resolve()), file.size, file.mtime_ns


class Journals:
    """The journals of one person at one installation; without a directory nothing is kept."""

    def __init__(self, directory: Path | None, whose: str) -> None:
        self._directory = directory
        self._whose = whose

    def begin(self, upload_id: str, files: Sequence[LocalFile], checksums: Mapping[str, Mapping[str, str]]) -> Journal:
        """Begin the journal of an upload that was just opened."""
        described = {
            file.lfn: dict(zip(("path", "size", "mtime_ns"), _identity(file), strict=True))
            | {"checksums": dict(checksums[file.lfn])}
            for file in files
        }
        if self._directory is None:
            return Journal(None, upload_id, described)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{upload_id}{SUFFIX}"
        opened = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
        fcntl.flock(opened, fcntl.LOCK_EX)
        journal = Journal(path, upload_id, described, _file=opened)
        journal._add({"whose": self._whose, "upload_id": upload_id, "files": described})
        return journal

    def open_ones(self, files: Sequence[LocalFile]) -> Iterator[Journal]:
        """Yield the journals, each locked for us, that have some of these files as they still are."""
        wanted = {file.lfn: file for file in files}
        for path in sorted(self._directory.glob(f"*{SUFFIX}")) if self._directory is not None else ():
            journal = self._read(path)
            if journal is None:
                continue
            if any(lfn in wanted and journal.is_of(wanted[lfn]) for lfn in journal.files):
                yield journal
            else:
                journal.leave()

    def _read(self, path: Path) -> Journal | None:
        """Return a journal and lock it; None if it is somebody else's, in use, or too old, which removes it."""
        try:
            file = path.open("r+", encoding="utf-8")
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_mtime < time.time() - AGE_MAX_S:
                path.unlink()
            elif (journal := _parsed(path, file, self._whose)) is not None:
                return journal
        except OSError:
            # In use, or gone meanwhile.
            file.close()
            return None
        file.close()
        return None


def _parsed(path: Path, file: TextIO, whose: str) -> Journal | None:
    journal: Journal | None = None
    line = "\n"
    for line in file:
        # The last line may be cut.
        with suppress(ValueError, KeyError, TypeError):
            fact = json.loads(line)
            if journal is None:
                if fact["whose"] != whose:
                    return None
                journal = Journal(path, fact["upload_id"], dict(fact["files"]), _file=file)
            elif "landed" in fact:
                journal.landed[fact["landed"]] = Landed(fact["se"], tuple(fact.get("etags", ())))
            elif "part" in fact:
                journal.parts.setdefault((fact["part"], fact["upload"]), {})[fact["number"]] = fact["etag"]
    if not line.endswith("\n"):
        file.write("\n")
    return journal
