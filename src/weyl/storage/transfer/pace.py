"""How far transfers are: counted by many threads, read by one."""

import threading
from dataclasses import dataclass, field
from typing import Protocol


class Stopped(Exception):
    """Raised in a transfer when somebody wants it to end."""


class Observer(Protocol):
    """Who is told how far transfers are, often, in the thread that waits for them."""

    def look(self, pace: "Pace") -> None:
        """Take note of how far they are."""


@dataclass(slots=True)
class Pace:
    """Files and bytes of transfers: how many there are, and how many are done."""

    files: int = 0
    bytes: int = 0
    files_done: int = 0
    bytes_done: int = 0
    # What happens just now, if it is no transfer.
    doing: str = ""
    is_stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def moved(self, count: int) -> None:
        """Count bytes that went; negative are those that have to go again. Raises `Stopped` once all is to end."""
        if self.is_stopped:
            raise Stopped
        with self._lock:
            self.bytes_done += count

    def ended(self) -> None:
        """Count a file that is done, or will not be."""
        with self._lock:
            self.files_done += 1
