"""Who may look after background work."""

from weyl.kit.http import User
from weyl.tasks.errors import TasksForbidden
from weyl.tasks.permits import TaskKeeper


def may_keep(user: User) -> TaskKeeper:
    """Admit administrators of services: tasks belong to the installation, not to a VO."""
    if not user.has("ServiceAdministrator"):
        raise TasksForbidden("Background work is for holders of ServiceAdministrator")
    return TaskKeeper(user.subject)
