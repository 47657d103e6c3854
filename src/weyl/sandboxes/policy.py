"""Who may announce and read sandboxes: each function raises, or returns a permit that the queries demand."""

from weyl.kit.http import User
from weyl.sandboxes.errors import SandboxNotYours
from weyl.sandboxes.models import Owner
from weyl.sandboxes.permits import Announcer, ReadScope


def may_announce(user: User) -> Announcer:
    """Admit holders of NormalUser, and payloads for the owner of their job."""
    owner = Owner(user.vo, user.preferred_username)
    if user.kind == "job":
        return Announcer(owner, user.group, user.job_id)
    if user.kind == "user" and user.has("NormalUser"):
        return Announcer(owner, user.group, None)
    raise SandboxNotYours("Storing sandboxes needs the property NormalUser, or the token of a payload")


def may_read(user: User) -> ReadScope:
    """Admit administrators of jobs in their VO, holders of NormalUser in their own area, payloads for their job."""
    if user.kind == "job":
        return ReadScope(user.vo, user.preferred_username, user.job_id)
    if user.kind == "user" and user.has("JobAdministrator"):
        return ReadScope(user.vo, None, None)
    if user.kind == "user" and user.has("NormalUser"):
        return ReadScope(user.vo, user.preferred_username, None)
    raise SandboxNotYours("Reading sandboxes needs the property NormalUser or JobAdministrator, or a payload's token")
