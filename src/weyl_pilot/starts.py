"""The payloads that were started here, on disk before they start, for whoever finds the pilot dead."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import FrozenSet, Optional, Set

STARTS = "starts.txt"
"""The name of the file, beside what the pilot was sent with."""
"""Where files are fetched from, if that is not where the jobs run."""
_HEAD = b"weyl starts 1\n"
DIGITS_MAX = 19
"""Of a job's number. A payload that runs as its pilot's user can write the file, and Python refuses long numbers."""


class Starts:
    """A file with a line for each payload. Safe to use from several threads."""

    def __init__(self, place: Path) -> None:
        self._lock = threading.Lock()
        self._job_ids: Set[int] = set()
        self._is_torn = self._is_sealed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(str(place / STARTS), flags, 0o600)
        self._write(_HEAD)
        sync_directory(place)

    def note(self, job_id: int) -> None:
        """Returns once it is on disk that this payload starts; what raises here must not be started."""
        with self._lock:
            if self._is_sealed:
                raise OSError(errno.ESHUTDOWN, "The pilot ends")
            self._write(b"%d\n" % job_id)
            self._job_ids.add(job_id)

    def seal(self) -> FrozenSet[int]:
        """Lets no further payload start, and returns those that were started."""
        with self._lock:
            if not self._is_sealed:
                self._is_sealed = True
                os.close(self._file)
            return frozenset(self._job_ids)

    def _write(self, line: bytes) -> None:
        line = b"\n" + line if self._is_torn else line
        self._is_torn = True
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file)
        self._is_torn = False


def read_starts(content: Optional[bytes]) -> Optional[FrozenSet[int]]:
    """Reads what `Starts` left; None means that it says nothing. Half a line is of a payload that did not start."""
    head, whole = _HEAD.decode(), (content or b"").decode("ascii", "replace")
    if not whole.startswith(head):
        return None
    lines = [line for line in whole[len(head) :].split("\n")[:-1] if line]
    is_sound = all(line.isdecimal() and len(line) <= DIGITS_MAX for line in lines)
    return frozenset(map(int, lines)) if is_sound else None


def sync_directory(directory: Path) -> None:
    """Returns once the names of the files in it are on disk."""
    descriptor = os.open(str(directory), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
