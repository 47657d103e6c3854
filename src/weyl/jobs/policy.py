"""Who may do what with jobs: each function raises, or returns a permit that the service or query demands."""

from dataclasses import dataclass

from weyl.kit.errors import Forbidden
from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class Submitter:
    """May submit jobs, which will belong to this owner, group and VO."""

    vo: str
    group: str
    owner: str
    subject: str


def may_submit(user: User) -> Submitter:
    """Admit holders of NormalUser."""
    if not user.has("NormalUser"):
        raise Forbidden(f"Submitting jobs needs the property NormalUser, which group {user.group} does not have")
    return Submitter(vo=user.vo, group=user.group, owner=user.preferred_username, subject=user.subject)
