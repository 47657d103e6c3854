"""Who may look after background work."""

from weyl.kit.http import User
from weyl.tasks.errors import TasksForbidden
from weyl.tasks.permits import OperationViewer, TaskKeeper


def may_keep(user: User) -> TaskKeeper:
    """Admit administrators of services: tasks belong to the installation, not to a VO."""
    if not user.has("ServiceAdministrator"):
        raise TasksForbidden("Background work is for holders of ServiceAdministrator")
    return TaskKeeper(user.subject)


def may_view_operations(user: User) -> OperationViewer:
    """Admit everybody to what they have ordered, and administrators to what others of their VO have."""
    return OperationViewer(user.vo, user.subject, user.properties)
