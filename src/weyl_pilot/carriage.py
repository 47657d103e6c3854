"""A transfer as the watchdog sees it: it computes nothing, and the job lives as long as it goes on."""

from __future__ import annotations

import time
from typing import Dict, Optional, Tuple

from weyl_pilot.errand import Errand
from weyl_pilot.payload import Payload
from weyl_pilot.processes import Process, Usage


class Carriage:
    """Stands in the place of a payload while files of its job are on their way, before it or after it."""

    def __init__(self, errand: Errand, after: Optional[Payload] = None) -> None:
        self._errand = errand
        self._after = after
        self._started = time.monotonic()

    def measure(self, table: Dict[int, Process]) -> Usage:
        """What the payload has used, if it is over."""
        return Usage() if self._after is None else self._after.most

    @property
    def wall_s(self) -> float:
        """Seconds since the transfer began, or the payload before it."""
        return time.monotonic() - self._started if self._after is None else self._after.wall_s

    def tail(self) -> str:
        """What the payload wrote last, else how far the transfer is."""
        before = self._after.tail() if self._after is not None else ""
        told = "%s, %d MB moved" % (self._errand.told, self._errand.moved >> 20) if self._errand.told else ""
        return "\n".join(text for text in (before, told) if text)

    def peek(self) -> Tuple[str, str]:
        """The same, and what the payload wrote to standard error."""
        return self.tail(), self._after.peek()[1] if self._after is not None else ""
