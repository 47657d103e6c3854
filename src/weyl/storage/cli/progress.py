"""How far transfers are, in one line for people."""

from time import monotonic

from weyl.client.command import Session
from weyl.storage.transfer.pace import Pace

# Where nobody looks, a line is written so often only.
EVERY_S = 10.0
UNITS = ("kB", "MB", "GB", "TB", "PB")
BAR = 20


def size_text(count: float) -> str:
    """Return a number of bytes for people, in powers of 1,000."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in UNITS:
        count /= 1000
        if count < 999.5 or unit == UNITS[-1]:
            return f"{count:.1f} {unit}" if count < 99.95 else f"{count:.0f} {unit}"
    raise AssertionError("the last unit takes everything")


def span_text(seconds: float) -> str:
    """Return a length of time for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line_of(pace: Pace, seconds: float, *, verb: str) -> str:
    """Return the line that says how far transfers are after so many seconds."""
    if pace.doing and not pace.bytes:
        return f"{verb}: {pace.doing}"
    part = min(1.0, pace.bytes_done / pace.bytes) if pace.bytes else 1.0
    rate = pace.bytes_done / seconds if seconds > 0 else 0.0
    filled = round(part * BAR)
    words = [f"[{'#' * filled}{'.' * (BAR - filled)}] {part:4.0%}"]
    words += [f"{size_text(pace.bytes_done)} of {size_text(pace.bytes)}", f"{size_text(rate)}/s"]
    if pace.files > 1 and not pace.doing:
        words.append(f"{pace.files_done:,} of {pace.files:,} files")
    if 0 < part < 1 and rate > 0:
        words.append(f"{span_text((pace.bytes - pace.bytes_done) / rate)} left")
    return f"{pace.doing or verb} {', '.join(words)}"


class Progress:
    """Shows the line: on a terminal all the time, elsewhere now and then."""

    def __init__(self, session: Session, verb: str) -> None:
        self._session = session
        self._verb = verb
        # When each kind of work began, and when it was last told of.
        self._began: dict[str, float] = {}
        self._told_at = monotonic()

    def look(self, pace: Pace) -> None:
        """Take note of how far they are."""
        now = monotonic()
        began = self._began.setdefault(pace.doing, now)
        if self._session.stderr_is_terminal or now - self._told_at >= EVERY_S:
            self._session.progress(line_of(pace, now - began, verb=self._verb))
            self._told_at = now
