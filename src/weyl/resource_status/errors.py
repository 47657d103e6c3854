"""What can be wrong with what somebody says of an element of the grid."""

from weyl.kit.errors import BadRequest, Forbidden


class StatusForbidden(Forbidden):
    """The caller may not say this of the element."""


class BadClaim(BadRequest):
    """A claim that nobody could make."""
