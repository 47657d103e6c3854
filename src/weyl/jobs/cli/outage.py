"""A server that does not answer for a while: jobs go on without it, so whoever waits for them waits on."""

from collections.abc import Callable
from dataclasses import dataclass

from weyl.client.errors import Unreachable

# A night: the network may be away, or the machine asleep, until somebody comes back.
OUTAGE_MAX_S = 12 * 3600.0


@dataclass(slots=True)
class Outage:
    """Since when the server has not answered, if so."""

    say: Callable[[str], None]
    began: float | None = None

    def bear(self, error: Unreachable, now: float) -> None:
        """Note that there was no answer, and say so once; raise the error when there was none for too long."""
        if self.began is None:
            self.began = now
            self.say(f"{error.message} Waiting for the server; the jobs go on.")
        elif now - self.began > OUTAGE_MAX_S:
            raise error

    def end(self) -> None:
        """Note that there was an answer."""
        if self.began is not None:
            self.say("The server answers again.")
        self.began = None
