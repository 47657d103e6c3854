"""Checksums of bytes that stream by, and of files."""

import hashlib
import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# The strongest first.
NAMES = ("sha256", "sha1", "md5", "adler32")
# What an upload announces: the one that S3 is bound to, and the one that most storage on the grid can tell.
ANNOUNCED = ("adler32", "sha256")
CHUNK = 1024 * 1024
CHUNKS_AHEAD = 3


class Digest:
    """The checksums of the bytes that it was given."""

    def __init__(self, names: Iterable[str] = ANNOUNCED) -> None:
        chosen = tuple(names)
        self._hashes: dict[str, Any] = {name: hashlib.new(name) for name in chosen if name != "adler32"}
        self._adler: int | None = 1 if "adler32" in chosen else None

    def update(self, chunk: bytes | bytearray) -> None:
        """Take the next bytes."""
        for each in self._hashes.values():
            each.update(chunk)
        if self._adler is not None:
            self._adler = zlib.adler32(chunk, self._adler)

    def checksums(self) -> dict[str, str]:
        """Return the checksums of all bytes so far, as hexadecimal digits."""
        found = {name: str(each.hexdigest()) for name, each in self._hashes.items()}
        return found if self._adler is None else {"adler32": f"{self._adler:08x}", **found}


class DigestBehind:
    """The checksums of bytes that a thread reads some MiB behind those who hand them over, who need not wait for it."""

    def __init__(self, names: Iterable[str] = ANNOUNCED) -> None:
        self._digest = Digest(names)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._ahead: queue.Queue[bytes | None] = queue.Queue(maxsize=CHUNKS_AHEAD)
        self._thread: threading.Thread | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._pending.append(chunk)
        self._pending_bytes += len(chunk)
        if self._pending_bytes >= CHUNK:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            # In one piece: each costs both threads a turn.
            self._ahead.put(b"".join(self._pending))
            self._forget()

    def checksums(self) -> dict[str, str]:
        """Return the checksums of all bytes, which were the last."""
        self.close()
        self._digest.update(b"".join(self._pending))
        self._forget()
        return self._digest.checksums()

    def close(self) -> None:
        """End the thread, if there is one."""
        if self._thread is not None:
            self._ahead.put(None)
            self._thread.join()
            self._thread = None

    def _forget(self) -> None:
        self._pending, self._pending_bytes = [], 0

    def _work(self) -> None:
        while (chunk := self._ahead.get()) is not None:
            self._digest.update(chunk)


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
