"""What a pilot may be told instead of jobs."""

from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound


class PlaceForbidden(Forbidden):
    """The offer names a place that is not the token's."""


class NoPlace(Forbidden):
    """The pilot's token names no site, so nothing can be matched there."""


class JobNotBound(NotFound):
    """The job is not this pilot's, or does not exist."""


class RequestRepeated(Conflict):
    """Another question with this request id was answered already."""


class OfferUnreadable(Forbidden):
    """What pilots could get is for operators."""


class OfferWithoutPlace(BadRequest):
    """The offer to be explained does not say where the pilot would be."""
