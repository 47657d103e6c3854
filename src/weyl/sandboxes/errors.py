"""What can go wrong with sandboxes."""

from weyl.kit.errors import BadRequest, Forbidden, NotFound, Unavailable


class SandboxTooLarge(BadRequest):
    """More bytes than the installation stores for one sandbox."""


class SandboxNameTooLong(BadRequest):
    """The names of VO, group and user leave no room for the checksum."""


class SandboxUnknown(BadRequest):
    """An assignment names a sandbox that does not exist, or is not for this job's owner."""

    def __init__(self) -> None:
        super().__init__("Sandbox not found")


class SandboxAlreadyAssigned(BadRequest):
    """The job has this output sandbox already."""

    def __init__(self) -> None:
        super().__init__("Sandbox already assigned")


class SandboxNotYours(Forbidden):
    """The sandbox is outside the caller's area, or does not exist: the two look the same."""


class SandboxNotFound(NotFound):
    """No such sandbox in the administrator's VO."""


class SandboxNotReady(Unavailable):
    """The sandbox is being removed or repacked; the same request will work soon."""
