"""The root of all errors that a user may see: each knows its HTTP status."""

from collections.abc import Mapping


class WeylError(Exception):
    """An error whose text is written for the person who is stuck.

    `detail` becomes the answer's `detail` (text, or a JSON document where the contract says so); `extra` adds fields
    beside it, such as OAuth's `error` word.
    """

    status = 500

    def __init__(
        self,
        detail: object,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self) -> dict[str, object]:
        """Return the JSON document that is sent to the client."""
        return {**self.extra, "detail": self.detail}


class BadRequest(WeylError):
    """Understood, but wrong."""

    status = 400


class Unauthorized(WeylError):
    """No token, or none that we accept."""

    status = 401

    def __init__(self, detail: object, *, extra: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, extra=extra)


class LoginRequired(Unauthorized):
    """A browser that is not logged in, or not any more."""

    def __init__(self) -> None:
        super().__init__("This browser is not logged in, or not any more: log in", extra={"error": "login_required"})


class Forbidden(WeylError):
    """The user is known and may not do this."""

    status = 403


class NotFound(WeylError):
    """No such thing, as far as this user can tell."""

    status = 404


class Conflict(WeylError):
    """It exists already, or changed meanwhile."""

    status = 409


class TooLarge(WeylError):
    """The body is larger than the installation accepts."""

    status = 413


class TooManyRequests(WeylError):
    """The caller has to wait."""

    status = 429

    def __init__(self, detail: object, *, retry_after_s: int, extra: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after_s))}, extra=extra)


class BadGateway(WeylError):
    """A service that we depend on failed."""

    status = 502


class Unavailable(WeylError):
    """We cannot serve this now; the same request may work later."""

    status = 503

    def __init__(self, detail: object, *, retry_after_s: int | None = 10) -> None:
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
        super().__init__(detail, headers=headers)
