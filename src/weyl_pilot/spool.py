"""What waits to be sent: in memory while it is small, else in a file without a name."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Optional

from weyl_pilot.sums import Sums

MEMORY_MAX = 8 << 20


class TooLarge(OSError):
    """Output that nobody could store: it would fill the disk of the pilot and of all its jobs first."""


class Spool:
    """Takes bytes once and gives them as often as wanted; `close` gives back what holds them.

    A payload that has filled the disk is the one whose output is wanted: with little room there all stays in memory.
    """

    def __init__(self, directory: Optional[Path], *, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._stream: IO[bytes] = io.BytesIO()
        self._is_in_memory = True
        self._sums = Sums(["sha256"])
        self.size = 0

    def write(self, content: bytes) -> int:
        """Takes what there is room for."""
        if self.size + len(content) > self._bytes_max:
            raise TooLarge("the output sandbox is larger than %d bytes" % self._bytes_max)
        if self._is_in_memory and self.size + len(content) > MEMORY_MAX:
            self._leave_memory()
        self._sums.update(content)
        self.size += len(content)
        return self._stream.write(content)

    @property
    def sha256(self) -> str:
        """The digest of all of it."""
        return self._sums.values()["sha256"]

    def open(self) -> IO[bytes]:
        """All of it, from its beginning; one reader at a time."""
        if isinstance(self._stream, io.BytesIO):
            return io.BytesIO(self._stream.getvalue())
        self._stream.flush()
        stream = os.fdopen(os.dup(self._stream.fileno()), "rb")
        stream.seek(0)
        return stream

    def close(self) -> None:
        """Gives memory or disk back."""
        self._stream.close()

    def _leave_memory(self) -> None:
        self._is_in_memory = False
        if self._directory is None or shutil.disk_usage(str(self._directory)).free < 2 * self._bytes_max:
            return
        assert isinstance(self._stream, io.BytesIO)
        fresh = tempfile.TemporaryFile(dir=str(self._directory))  # noqa: SIM115  closed by `close`
        fresh.write(self._stream.getvalue())
        self._stream = fresh
