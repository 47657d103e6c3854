"""The errors of the auth room, each with its HTTP status and, at the token endpoint, its OAuth word."""

from weyl.kit.errors import BadGateway, BadRequest, Forbidden, NotFound, TooManyRequests, Unauthorized, Unavailable


class InvalidToken(Unauthorized):
    """A bearer token that nobody here issued, that has expired, or that is meant for another resource."""

    def __init__(self, detail: str = "Invalid JWT") -> None:
        super().__init__(detail)


class InvalidRefreshToken(Unauthorized):
    """A refresh token that is forged, expired, unknown, revoked or used before."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, extra={"error": "invalid_grant"})


class InvalidScope(BadRequest):
    """A scope that no flow can start with."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, extra={"error": "invalid_scope"})


class NotGranted(Forbidden):
    """A user who may not have the group or the property that the scope names, or who may not log in at all."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, extra={"error": "access_denied"})


class TokenRefused(BadRequest):
    """A request to the token endpoint that is refused with one of OAuth's words in `error`."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail, extra={"error": error})


class UnsupportedTokenType(BadRequest):
    """A token to revoke that says to be an access token; the contract has the word as `detail`."""

    def __init__(self) -> None:
        word = "unsupported_token_type"
        description = "Access tokens cannot be revoked: they expire by themselves within minutes"
        super().__init__(word, extra={"error": word, "error_description": description})


class AuthorizationPending(BadRequest):
    """A device code whose user has not finished yet; the contract wants this answer without `detail`."""

    def __init__(self) -> None:
        super().__init__("authorization_pending")

    def body(self) -> dict[str, object]:
        """Return OAuth's word and nothing else."""
        return {"error": "authorization_pending"}


class UnknownUserCode(BadRequest):
    """A user code that nobody is waiting for, or that waited too long; people read `detail` on a page."""

    def body(self) -> dict[str, object]:
        """Return the contract's sentence, with ours beside it."""
        return {"detail": "No row was found when one was required", "error_description": self.detail}


class LoginOver(BadRequest):
    """A login on a device that is already finished or has expired."""

    def __init__(self) -> None:
        super().__init__("This login is already finished or has expired. Start it again on your device")


class InvalidState(BadRequest):
    """A `state` parameter that this installation did not make, or made too long ago."""

    def __init__(self) -> None:
        super().__init__("Invalid state")


class UnrecognisedClient(Unauthorized):
    """A client id that this installation does not know."""

    def __init__(self) -> None:
        super().__init__("Unrecognised client_id", extra={"error": "invalid_client"})


class RefusedByProvider(Unauthorized):
    """An identity provider that refused the login, or answered with an identity that does not verify."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, extra={"error": "access_denied"})


class ProviderFailed(BadGateway):
    """An identity provider that could not be reached or failed by itself."""


class NotAnIdentifier(BadRequest):
    """A refresh token id that is not a UUID."""


class ForeignToken(Forbidden):
    """A refresh token of somebody else."""


class UnknownRefreshToken(NotFound):
    """A refresh token id that does not exist for this user."""


class TooManyLogins(TooManyRequests):
    """An address that starts logins faster than the installation allows."""


class ExchangeDisabled(Unavailable):
    """The legacy exchange, asked for where the installation has not set its secret."""

    def __init__(self) -> None:
        super().__init__("Legacy exchange is not enabled", retry_after_s=None)


class InvalidExchangeHeader(BadRequest):
    """An exchange whose Authorization header has not the form that the exchange wants."""

    def __init__(self) -> None:
        super().__init__("Invalid authorization header")


class InvalidExchangeSecret(Unauthorized):
    """An exchange with a secret that is not the installation's."""

    def __init__(self) -> None:
        super().__init__("Invalid credentials")


class InvalidExchange(BadRequest):
    """An exchange for somebody, or for a scope, that does not exist."""

    def __init__(self, detail: str = "Invalid scope or preferred_username") -> None:
        super().__init__(detail)


class ForeignReturn(BadRequest):
    """A login that would end on a page of somebody else."""


class NotThisBrowser(BadRequest):
    """A login that comes back to another browser than the one that began it, or after too long."""

    def __init__(self) -> None:
        super().__init__("This login was not begun in this browser, or took too long: start it again")


class NotAsked(BadRequest):
    """A browser that comes back for a device and was never asked whether the device may log in."""

    def __init__(self) -> None:
        super().__init__(
            "This browser has not confirmed the login. Open the address that your device shows in this browser"
        )


class UnknownSession(NotFound):
    """The id of a browser session that does not exist for this user."""


class PlanRefused(BadRequest):
    """A confirmation of what was not shown to this user, or too long ago."""
