"""What can go wrong with pilots, their secrets and their tokens."""

from weyl.kit.errors import (
    BadGateway,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)


class PilotNotFound(NotFound):
    """There is no such pilot, as far as the caller can tell."""


class PilotNeverAsked(Conflict):
    """The pilot has not asked for a job, so nobody knows what it would offer."""


class PilotExists(Conflict):
    """The stamp is taken."""


class PilotForbidden(Forbidden):
    """The caller may not do this with this pilot."""


class BadPilotRequest(BadRequest):
    """Understood, but wrong: an unknown VO, a filter that makes no sense."""


class PilotLogTooLarge(TooLarge):
    """A piece of a log is larger than the limit, or one too many."""


class SecretNotFound(NotFound):
    """There is no such secret, as far as the caller can tell."""


class InvalidSecret(Unauthorized):
    """The secret or refresh token is unknown, used up, expired or revoked; the answer does not say which."""


class RevokedPilot(Unauthorized):
    """The token is of a pilot that lost its right to speak."""


class NoPeppers(Unavailable):
    """The installation has no key to protect pilot secrets with."""


class ArchiveNotFound(NotFound):
    """There is no engine, and there are no files of payload commands, with this digest."""


class BadEngine(BadRequest):
    """The engine cannot be packed here, or a file is not an archive of it; the text says why."""


class ComputingElementFailed(BadGateway):
    """The computing element refused, or could not be reached."""
