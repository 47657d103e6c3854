"""What can go wrong with storage: one class for each way of going on."""

from datetime import datetime

from weyl.kit.errors import NotFound, WeylError


class StorageError(WeylError):
    """A storage element did not do what it was asked; the text says which one, what it answered, and no secret."""

    status = 502
    word = "failed"
    """The name of the class of fault, for people and programs."""


class NotThere(StorageError):
    """There is no such file."""

    status = 404
    word = "not_there"


class AlreadyThere(StorageError):
    """Something lies under that path; nothing is ever overwritten."""

    status = 409
    word = "already_there"


class Unreachable(StorageError):
    """It did not answer, not in time, not to the end, or said that it cannot now: the same may work later."""

    status = 503
    word = "unreachable"


class NoSpace(StorageError):
    """It is full."""

    status = 507
    word = "no_space"


class NotAllowed(StorageError):
    """It refuses us, or we have nothing to prove who we are: a person is needed."""

    word = "not_allowed"


class Corrupt(StorageError):
    """What it holds or answers is not what it must be."""

    word = "corrupt"


class ClosedElement(StorageError):
    """The status of the element does not allow this access now; nothing was sent to it."""

    status = 409
    word = "closed"

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class UnknownElement(NotFound):
    """The VO has no storage element of this name, or none with a door for this."""
