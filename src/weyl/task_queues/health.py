"""How healthy a worker node is: a score from what became of its jobs, and what it may still get; without a database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

CHANNEL = "weyl_host_health"
"""Notices on this channel say that scores have changed."""

RECOVERY_HALF_S = 7_200
SINGLE_BELOW = 0.5
CLOSED_BELOW = 0.2
SUCCESS_COUNTS_FROM_S = 60
QUICK_BELOW_S = 60
QUICK_FAILURES_MAX = 5
SEVERAL = ""
"""In the place of an owner: the quick failures were of several, or were not the doing of a program."""


class Standing(StrEnum):
    """What a host may get."""

    OPEN = "open"
    SINGLE = "one job at a time"
    CLOSED = "no jobs"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What became of one run on a host."""

    site: str
    host: str
    owner: str
    is_good: bool
    is_host_fault: bool = False
    # The program itself failed, which may well be its own fault.
    is_program_fault: bool = False
    ran_s: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The score of a host as it was at a time, and its quick failures in a row."""

    score: float
    at: datetime
    quick_failures: int = 0
    quick_owner: str | None = None
    reason: str = ""

    def now(self, now: datetime) -> float:
        """Return the score with what has recovered since: half of the way to 1 every two hours."""
        passed_s = max(0.0, (now - self.at).total_seconds())
        return float(1 - (1 - self.score) * 0.5 ** (passed_s / RECOVERY_HALF_S))


def standing_of(score: float) -> Standing:
    """Return what a host of this score may get."""
    if score < CLOSED_BELOW:
        return Standing.CLOSED
    return Standing.SINGLE if score < SINGLE_BELOW else Standing.OPEN


def after(known: Health | None, ends: Iterable[RunEnd], now: datetime) -> Health:
    """Return the health of a host after these runs.

    Quick failures make a black hole of a host only when they cannot be the doing of one owner's broken program:
    otherwise whoever submits a thousand of them would close the grid for everybody.
    """
    score = 1.0 if known is None else known.now(now)
    quick, owner, reason = (0, None, "") if known is None else (known.quick_failures, known.quick_owner, known.reason)
    for end in ends:
        if end.is_good:
            quick, owner = 0, None
            if end.ran_s is not None and end.ran_s >= SUCCESS_COUNTS_FROM_S:
                score = min(1.0, score + 0.25)
            continue
        if end.is_host_fault:
            score, reason = score / 2, "a job failed because of the host"
        if end.ran_s is None or end.ran_s >= QUICK_BELOW_S:
            quick, owner = 0, None
            continue
        whose = end.owner if end.is_program_fault else SEVERAL
        owner = whose if quick == 0 or owner == whose else SEVERAL
        quick += 1
        if quick > QUICK_FAILURES_MAX and owner == SEVERAL:
            score, reason = 0.0, f"{quick} jobs in a row failed within a minute"
    return Health(score, now, quick, owner, reason)
