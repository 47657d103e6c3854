"""What a caller may do with tasks: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskKeeper:
    """May look at and change the background work of the whole installation."""

    subject: str
