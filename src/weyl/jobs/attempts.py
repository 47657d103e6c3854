"""Whether a job may run again, and with which counter: decisions without a database."""

from dataclasses import dataclass

MINOR_EXHAUSTED = "Maximum of reschedulings reached"
NOT_AGAIN = frozenset({"Submitting", "Deleted"})


@dataclass(frozen=True, slots=True)
class Again:
    """The job runs again, and this is what its counter becomes."""

    counter: int


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The job has been tried often enough: it fails."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotPossible:
    """The job stays as it is."""

    reason: str


def decide(
    status: str, counter: int, *, is_verified: bool, reschedulings_max: int, reset: bool
) -> Again | Exhausted | NotPossible:
    """Decide about one job that somebody asks to run again."""
    if status in NOT_AGAIN:
        return NotPossible(f"A job that is {status} cannot be rescheduled")
    if not is_verified:
        return NotPossible("A job that was not verified cannot be rescheduled")
    if reset:
        return Again(0)
    if counter + 1 > reschedulings_max:
        return Exhausted(f"Maximum number of reschedules exceeded ({reschedulings_max})")
    return Again(counter + 1)
