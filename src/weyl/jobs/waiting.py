"""How somebody waits for jobs: what is known of them, whether it is the end, and how long until the next look."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from weyl.jobs.states import FINAL, JobStatus

ENDED: frozenset[str] = FINAL | {JobStatus.DELETED}
GOOD: frozenset[str] = frozenset({JobStatus.DONE, JobStatus.COMPLETED})
PAUSE_MIN_S, PAUSE_MAX_S = 2.0, 30.0


class Wait:
    """Jobs that somebody waits for, look by look: all of them, or any one; for their end, or for certain statuses."""

    def __init__(self, ids: Sequence[int], *, wanted: frozenset[str] | None = None, any_one: bool = False) -> None:
        self.ids = ids
        self.statuses: dict[int, str] = {}
        self.pause_s = PAUSE_MIN_S
        self._wanted = wanted
        self._any_one = any_one

    def open_ids(self) -> list[int]:
        """Return the jobs whose status may still change: the next look is at these."""
        return [job_id for job_id in self.ids if self.statuses.get(job_id) not in ENDED]

    def accept(self, found: Mapping[int, str]) -> dict[int, str]:
        """Note what a look has found, and return what is new in it."""
        news = {job_id: status for job_id, status in found.items() if self.statuses.get(job_id) != status}
        self.statuses.update(news)
        self.pause_s = PAUSE_MIN_S if news else min(self.pause_s * 1.5, PAUSE_MAX_S)
        return news

    def verdict(self) -> bool | None:
        """Say whether what was waited for is there, and well; None: not yet."""
        return verdict(self.statuses, self._wanted, any_one=self._any_one) if self.statuses or not self.ids else None


def verdict(statuses: Mapping[int, str], wanted: frozenset[str] | None, *, any_one: bool = False) -> bool | None:
    """Say whether what was waited for is there, and well; None: not yet."""
    good = wanted if wanted is not None else GOOD
    reached = [status in good for status in statuses.values() if status in good or status in ENDED]
    if any_one:
        return any(reached) if reached and (any(reached) or len(reached) == len(statuses)) else None
    return all(reached) if len(reached) == len(statuses) else None


def tally(statuses: Iterable[str]) -> str:
    """Return counts by status as one line."""
    return ", ".join(f"{count:,} {status}" for status, count in Counter(statuses).most_common())
