"""Checksums of a file, made while it passes."""

from __future__ import annotations

import hashlib
import queue
import threading
import zlib
from typing import Any, Dict, Iterable, Mapping, Optional

STRENGTH = ("sha256", "sha1", "md5", "adler32")
"""The checksums of the catalogue, the strongest first."""
BLOCKS_BEHIND_MAX = 16
OF_OUTPUTS = ("adler32", "sha256")


class Sums:
    """Several checksums of the same bytes."""

    def __init__(self, names: Iterable[str] = OF_OUTPUTS) -> None:
        self._sums: Dict[str, Any] = {name: _Adler32() if name == "adler32" else _hash(name) for name in names}

    def update(self, block: bytes) -> None:
        """Takes the next bytes."""
        for each in self._sums.values():
            each.update(block)

    def values(self) -> Dict[str, str]:
        """The checksums so far, in hexadecimal digits."""
        return {name: str(each.hexdigest()) for name, each in self._sums.items()}


class SumsAside(Sums):
    """Checksums that a thread makes, some MiB behind the bytes: a fast network does not wait for them."""

    def __init__(self, names: Iterable[str] = OF_OUTPUTS) -> None:
        super().__init__(names)
        self._blocks: "queue.Queue[Optional[bytes]]" = queue.Queue(BLOCKS_BEHIND_MAX)
        self._thread: Optional[threading.Thread] = None

    def update(self, block: bytes) -> None:
        """Takes the next bytes."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sums", daemon=True)
            self._thread.start()
        self._blocks.put(block)

    def values(self) -> Dict[str, str]:
        """The checksums of all that was taken."""
        self.close()
        return super().values()

    def close(self) -> None:
        """Returns once the thread has ended; also for who does not want the checksums any more."""
        if self._thread is not None:
            self._blocks.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        for block in iter(self._blocks.get, None):
            super().update(block)


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, block: bytes) -> None:
        self._value = zlib.adler32(block, self._value)

    def hexdigest(self) -> str:
        return "%08x" % self._value


def _hash(name: str) -> Any:
    return hashlib.new(name, usedforsecurity=False) if name in ("md5", "sha1") else hashlib.sha256()


def strongest(known: Mapping[str, Optional[str]]) -> Optional[str]:
    """The name of the strongest checksum that is known; None without any."""
    return next((name for name in STRENGTH if known.get(name)), None)
