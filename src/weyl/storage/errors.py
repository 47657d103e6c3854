"""What can go wrong with storage: one class for each way of going on."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import islice

from weyl.file_catalog.errors import FAILED_SHOWN
from weyl.file_catalog.models.files import Failure
from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests, WeylError


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


class UploadNotFound(NotFound):
    """There is no such upload, as far as the caller can tell."""


class UploadOver(Conflict):
    """An upload that has ended, or of a run of a job that is over: nothing more of it is taken."""


class OtherRun(UploadOver):
    """The upload is of another run of the job: it is left alone."""


class UploadDiffers(Conflict):
    """The run of a job has an upload, of other files."""


class UploadRefused(Conflict):
    """All or nothing was asked for, and some files cannot be registered; nothing was."""

    def __init__(self, failed: Mapping[str, Failure]) -> None:
        shown = {name: asdict(failure) for name, failure in islice(failed.items(), FAILED_SHOWN)}
        name, failure = next(iter(failed.items()))
        detail = f"{len(failed)} files cannot be uploaded, so none is: {name}: {failure.detail}"
        super().__init__(detail, extra={"failed": shown})
        self.failed = dict(failed)


class BadCommit(BadRequest):
    """A commit that does not fit its upload."""


class BadCheck(BadRequest):
    """A comparison that cannot be meant."""


class TooManyUploads(TooManyRequests):
    """One person has as many uploads open as they may have."""


class StorageForbidden(Forbidden):
    """The user may not do this with storage."""


class UnknownFile(NotFound):
    """There is no such file, as far as this user can tell."""


class NoAccess(Conflict):
    """A file that cannot be read in this way now."""
