"""What can go wrong with systems outside; no user asks for these directly, so none has an HTTP status."""


class RemoteError(Exception):
    """A system outside refused, or could not be reached; the text is for its administrator."""


class OutcomeUnknown(RemoteError):
    """An order was given and its end was not seen: it may have been carried out, in whole or in part."""
