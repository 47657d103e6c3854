"""Who may read and write notes: each function raises, or returns the permit that a query demands."""

from example_vo.campaigns import MANAGER
from example_vo.permits import Annotator, Reader
from weyl.kit.errors import Forbidden
from weyl.kit.http import User


def may_read(user: User) -> Reader:
    """Admit everybody to the notes of their own VO."""
    return Reader(user.vo)


def may_annotate(user: User) -> Annotator:
    """Admit managers of campaigns."""
    if not user.has(MANAGER):
        raise Forbidden(f"Notes on campaigns are written by holders of {MANAGER}")
    return Annotator(user.vo, user.preferred_username)
