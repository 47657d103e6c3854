"""Checksums of bytes that stream by, and of files."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# The strongest first.
NAMES = ("sha256", "sha1", "md5", "adler32")
# What an upload announces: the one that S3 is bound to, and the one that most storage on the grid can tell.
ANNOUNCED = ("adler32", "sha256")
CHUNK = 1024 * 1024


class Digest:
    """The checksums of the bytes that it was given."""

    def __init__(self, names: Iterable[str] = ANNOUNCED) -> None:
        chosen = tuple(names)
        self._hashes: dict[str, Any] = {name: hashlib.new(name) for name in chosen if name != "adler32"}
        self._adler: int | None = 1 if "adler32" in chosen else None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        for each in self._hashes.values():
            each.update(chunk)
        if self._adler is not None:
            self._adler = zlib.adler32(chunk, self._adler)

    def checksums(self) -> dict[str, str]:
        """Return the checksums of all bytes so far, as hexadecimal digits."""
        found = {name: str(each.hexdigest()) for name, each in self._hashes.items()}
        return found if self._adler is None else {"adler32": f"{self._adler:08x}", **found}


def strongest(checksums: Mapping[str, str | None]) -> tuple[str, str] | None:
    """Return name and digits of the strongest checksum that is told; None if none is."""
    return next(((name, told.lower()) for name in NAMES if (told := checksums.get(name))), None)


def checksums_of(path: Path, names: Iterable[str] = ANNOUNCED, *, moved: Callable[[int], None]) -> dict[str, str]:
    """Return the checksums of a file; `moved` is told of the bytes that were read, and may raise to end it."""
    digest = Digest(names)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            moved(len(chunk))
    return digest.checksums()
