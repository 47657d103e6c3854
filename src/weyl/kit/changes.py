"""What open pages are told of: changes by topic, and how far the one who looks may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was: its id as lists have it, whose it is, and the word for where it stands now."""

    id: int | str
    vo: str | None
    """None: it is everybody's."""
    owner: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Reach:
    """May know of what belongs to this VO and this owner; None means any."""

    vo: str | None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What has changed since the last time, and how far that goes, as a number that only grows.

    The number means the same in every process, so that a page may go on with another one. News that are not whole
    tell of more changes than they name.
    """

    changes: Sequence[Change]
    position: int
    is_whole: bool = True


class Feed(Protocol):
    """The changes of one topic, for one reader that asks now and then."""

    def reach(self, user: User) -> Reach:
        """Return how far a person may see; raises `Forbidden` if not at all."""

    async def start(self) -> int:
        """Begin: what changes from now on is news; returns the position."""

    async def read(self) -> News:
        """Return what has changed since the last call."""
