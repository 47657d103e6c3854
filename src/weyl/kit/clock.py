"""The clock and the wire's form of a time; only edges read the clock, everything else is told the time.

All processes of an installation go by the clock of its database, which `weyl.kit.timekeeping` asks for now and then;
in between they count on with the monotonic clock. What a machine's own clock says, and how it jumps, matters only
until the database has been heard once.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class Anchor(NamedTuple):
    """A time of the database, and what this process's monotonic clock was then."""

    at: datetime
    monotonic_s: float


class _Clock:
    # The one thing that is global to a process, as the clock that it stands for is.
    anchor: Anchor | None = None


def utcnow() -> datetime:
    """Return the present time, aware, in UTC."""
    anchor = _Clock.anchor
    if anchor is None:
        return datetime.now(UTC)
    return anchor.at + timedelta(seconds=time.monotonic() - anchor.monotonic_s)


def unix_now() -> float:
    """Return the present time in unix seconds, as tokens count."""
    return utcnow().timestamp()


def go_by(anchor: Anchor | None) -> None:
    """Count from this time on; None: go by the machine's clock."""
    _Clock.anchor = anchor


def machine_ahead_s() -> float:
    """Return how far the machine's clock is ahead of ours."""
    return (datetime.now(UTC) - utcnow()).total_seconds()


def iso_z(at: datetime) -> str:
    """Return `at` as the contract writes times: ISO 8601, UTC, ending in `Z`, microseconds only if not zero."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
