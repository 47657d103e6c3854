"""Who may look at the task queues, and who may make them anew."""

from weyl.kit.http import User
from weyl.task_queues.errors import TaskQueuesForbidden
from weyl.task_queues.permits import QueueKeeper, QueueScope


def may_see(user: User) -> QueueScope:
    """Admit administrators of jobs and of services, each to the VO of their token."""
    if not user.has("JobAdministrator", "ServiceAdministrator"):
        raise TaskQueuesForbidden("Task queues are for holders of JobAdministrator or ServiceAdministrator")
    return QueueScope(user.vo)


def may_rebuild(user: User) -> QueueKeeper:
    """Admit administrators of services."""
    if not user.has("ServiceAdministrator"):
        raise TaskQueuesForbidden("The queue is made anew by holders of ServiceAdministrator only")
    return QueueKeeper(user.subject)
