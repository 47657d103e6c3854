"""Who may say what is known of failures."""

from dataclasses import dataclass

from weyl.kit.errors import Forbidden
from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class Annotator:
    """May say what is known of a kind of failure, to everybody in this VO."""

    vo: str
    author: str


def may_annotate(user: User) -> Annotator:
    """Admit administrators of jobs."""
    if not user.has("JobAdministrator"):
        raise Forbidden(f"Notes on failures need the property JobAdministrator, which group {user.group} does not have")
    return Annotator(user.vo, user.preferred_username)
