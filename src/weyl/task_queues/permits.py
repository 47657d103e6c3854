"""Permits on the task queues, as the policy grants them and services and queries demand them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueScope:
    """May see the task queues of one VO."""

    vo: str


@dataclass(frozen=True, slots=True)
class QueueKeeper:
    """May make the queue anew, for every VO at once."""

    subject: str
