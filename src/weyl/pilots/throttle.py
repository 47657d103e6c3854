"""When a queue gets fewer pilots than its need: pure rules over how the last ones of it have fared."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

ENDED_LOOKED_AT = 50
ENDED_MIN = 10
HIT_RATE_MIN = 0.5
EMPTY_IN_A_ROW = 5
PROBE_FIRST, PROBE_LAST = timedelta(minutes=10), timedelta(hours=1)
STORM_WAITING_MIN = 20
MISS_SHARE_MIN = 0.8

WANTED_NOTHING = frozenset({"queue", "vo", "busy", "site_status"})
"""Last misses of pilots that were not in the wrong place: no job waited, others were faster, or the site was closed."""


@dataclass(frozen=True, slots=True)
class Record:
    """How the last pilots of a queue have fared; those that nothing waited for any more are left out."""

    ended: int = 0
    hits: int = 0
    empty_in_a_row: int = 0
    misses: int = 0
    miss: str | None = None
    """The condition that the most of the empty ones have named, and how many did."""
    miss_count: int = 0
    started: int = 0
    """Pilots that have spoken for the first time in the last hour."""
    last_sent_at: datetime | None = None
    waiting_before: int = 0

    @property
    def hit_rate(self) -> float:
        """Return the share of the last pilots that found a job; of a queue without a past, the best."""
        return self.hits / self.ended if self.ended else 1.0

    @property
    def blamed(self) -> str | None:
        """Return the condition that nearly all empty pilots have named."""
        if self.misses >= EMPTY_IN_A_ROW and self.miss_count > MISS_SHARE_MIN * self.misses:
            return self.miss
        return None

    @property
    def weight(self) -> float:
        """Return what part of a shared class the queue draws: as it has started pilots that found something."""
        return (1 + self.started) * max(self.hit_rate, 1 / ENDED_LOOKED_AT)


NO_RECORD = Record()


def throttled(wanted: int, record: Record, *, waiting: int, now: datetime) -> tuple[int, str | None]:
    """Return how many pilots may be sent of those that are wanted, and why not more.

    `waiting` are the queue's pilots that have not started.
    """
    if record.empty_in_a_row >= EMPTY_IN_A_ROW:
        return _probes(record, waiting=waiting, now=now)
    if waiting >= STORM_WAITING_MIN and waiting > 2 * record.started and waiting > record.waiting_before:
        reason = f"{waiting} pilots wait to start, {record.started} have started in the last hour: no more for now"
        return 0, reason
    if record.ended >= ENDED_MIN and record.hit_rate < HIT_RATE_MIN:
        reason = f"Only {record.hits} of the last {record.ended} pilots found a job{_because(record)}"
        return math.ceil(wanted * record.hit_rate), reason
    return wanted, None


def _probes(record: Record, *, waiting: int, now: datetime) -> tuple[int, str]:
    """One at a time, and each that comes back empty doubles the pause; the first that finds a job ends that."""
    pause = min(PROBE_FIRST * 2 ** min(record.empty_in_a_row - EMPTY_IN_A_ROW, 10), PROBE_LAST)
    minutes = int(pause.total_seconds() // 60)
    reason = f"The last {record.empty_in_a_row} pilots found no job{_because(record)}: one every {minutes} min to try"
    is_due = record.last_sent_at is None or now - record.last_sent_at >= pause
    return int(is_due and waiting == 0), reason


def _because(record: Record) -> str:
    return f", nearly all for lack of what jobs want in `{record.blamed}`" if record.blamed else ""
