"""What a handler may raise to say what happens next, and what the API refuses."""

from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests


class GiveUp(Exception):
    """Raised by a handler: another attempt would not help, the task becomes a dead letter now."""


class WorkerDied(Exception):
    """The worker of a task died so often that the task itself must be the cause."""


class RetryLater(Exception):
    """Raised by a handler: not now; run again after `delay_s`, without counting this as a failure."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"again in {delay_s:g} s")
        self.delay_s = delay_s


class LockLost(Exception):
    """Our lock expired, because its worker was away for too long, and somebody else may hold it now."""


class InvalidRule(ValueError):
    """A schedule that cannot be understood."""


class TasksForbidden(Forbidden):
    """Tasks are the business of service administrators."""


class TaskNotFound(NotFound):
    """No worker has declared a task of this name."""


class DeadLetterNotFound(NotFound):
    """There is no dead letter with this id; it may have been replayed or discarded."""


class RunRefused(BadRequest):
    """The task cannot be run like that."""


class OperationNotFound(NotFound):
    """There is no such operation, as far as this user can tell."""


class OperationEnded(Conflict):
    """The operation has come to its end, and what it did cannot be undone."""


class TooManyOperations(TooManyRequests):
    """One user has as many operations under way as he may have."""
