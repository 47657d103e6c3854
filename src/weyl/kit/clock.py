"""The clock and the wire's form of a time; only edges read the clock, everything else is told the time."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


def iso_z(at: datetime) -> str:
    """Return `at` as the contract writes times: ISO 8601, UTC, ending in `Z`, microseconds only if not zero."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
