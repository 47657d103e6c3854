"""What may go wrong when failures are looked at."""

from weyl.kit.errors import NotFound


class FailureNotFound(NotFound):
    """The VO has no failures of this kind."""
