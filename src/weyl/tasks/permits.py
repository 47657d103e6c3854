"""What a caller may do with tasks: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskKeeper:
    """May look at and change the background work of the whole installation."""

    subject: str


@dataclass(frozen=True, slots=True)
class OperationViewer:
    """May see and cancel operations of this subject, and those of the VO that its properties administer."""

    vo: str
    subject: str
    properties: frozenset[str]
