"""What a command or a call can fail with: each error knows its exit code, and says what was wrong and what to do."""

from typing import Any


class ClientError(Exception):
    """Base of all errors that a user of the client sees."""

    exit_code = 1
    code = "error"
    hint = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        request_id: str | None = None,
        details: Any = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        if self.hint:
            # Tracebacks of programs and notebooks show it below the message.
            self.add_note(self.hint)
        self.request_id = request_id
        self.details = details
        self.status = status


class UsageFault(ClientError):
    """Raised for a bad option, file or filter, or for a destructive command that nobody confirmed."""

    exit_code = 2
    code = "usage"


class NotFound(ClientError):
    """Raised when the thing asked for does not exist, or an empty result is a failure."""

    exit_code = 3
    code = "not_found"


class NotLoggedIn(ClientError):
    """Raised when there is no login, or it has expired or was refused."""

    exit_code = 4
    code = "not_logged_in"
    hint = "Log in with: weyl login"


class Forbidden(ClientError):
    """Raised when the login is good but may not do this."""

    exit_code = 5
    code = "forbidden"
    hint = "See what your login may do with: weyl whoami"


class Unreachable(ClientError):
    """Raised when the server cannot be reached, or still answers 5xx or 429 after the retries."""

    exit_code = 6
    code = "unreachable"
    hint = "Check the address (WEYL_URL) and the network with: weyl doctor"


class PartlyFailed(ClientError):
    """Raised when some of many failed; `details` maps each id to its reason."""

    exit_code = 7
    code = "partly_failed"


class StillWaiting(ClientError):
    """Raised when a wait ended before what it waited for, or a device login is still pending."""

    exit_code = 8
    code = "still_waiting"


class EndedInFailure(ClientError):
    """Raised when what was waited for ended, in failure."""

    exit_code = 9
    code = "ended_in_failure"


class Refused(ClientError):
    """Raised when the server understood the request and refused it (400, 409, 416, 422)."""

    exit_code = 10
    code = "refused"


class Interrupted(ClientError):
    """Raised when the user stopped waiting; what was started on the grid goes on."""

    exit_code = 130
    code = "interrupted"


class UnexpectedAnswer(ClientError):
    """Raised when the server answered something that this client does not understand."""

    exit_code = 1
    code = "unexpected_answer"
    hint = (
        "This is a bug of weyl or something between you and it. Please report it, with the request id if there is one."
    )
