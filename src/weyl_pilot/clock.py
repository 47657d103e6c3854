"""The time that reports carry: this machine's, unless the server's tokens show that it is wrong."""

from __future__ import annotations

import binascii
import datetime
import json
import time
from base64 import urlsafe_b64decode
from typing import Callable, Optional, Tuple

# The server orders what happens to a job by these times: of a clock that is behind, every report would be too old.
WRONG_S = 3.0


class ServerClock:
    """Compares the clock of this machine with the moments at which the server issued tokens."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._heard: Optional[Tuple[float, float]] = None

    def hear(self, token: str) -> None:
        """Takes the time at which a token that has just come was issued; one that says nothing changes nothing."""
        issued_at = _issued_at(token)
        if issued_at is not None:
            # Whole seconds, rounded down: a report may be a moment early, never older than what the server did before.
            self._heard = issued_at + 1.0, self._monotonic()

    def now(self) -> datetime.datetime:
        """The time of the server, as far as it is known; small differences are left to the machine's own clock."""
        seconds = self._wall()
        if self._heard is not None:
            at, monotonic = self._heard
            servers = at + self._monotonic() - monotonic
            if abs(servers - seconds) > WRONG_S:
                seconds = servers
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)

    def seconds_until(self, moment: str) -> Optional[float]:
        """How far away a time is that the server has written; None for what is no time."""
        try:
            then = datetime.datetime.fromisoformat(moment.replace("Z", "+00:00"))
            return (then - self.now()).total_seconds()
        except (ValueError, TypeError):
            return None


def _issued_at(token: str) -> Optional[float]:
    try:
        payload = token.split(".")[1]
        return float(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
