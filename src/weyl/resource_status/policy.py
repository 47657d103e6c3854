"""Who may see which statuses."""

from dataclasses import dataclass

from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class Viewer:
    """May see the elements that one VO may use, and what is said of them for that VO."""

    vo: str


def may_view(user: User) -> Viewer:
    """Admit whoever has a token: a job must know what it may use as well as a person."""
    return Viewer(user.vo)
