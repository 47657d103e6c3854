"""What can go wrong with work that is sent from Python; all are errors of the client, with a hint what to do."""

from collections.abc import Mapping
from typing import Any

from weyl.client.errors import EndedInFailure, PartlyFailed, Refused, StillWaiting, UsageFault


class CannotSend(UsageFault, TypeError):
    """Raised when a function or an argument cannot be pickled; names the object that is to blame."""


class ResultTooLarge(Refused):
    """Raised for a call whose result does not fit into what a job brings back."""


class JobLost(EndedInFailure):
    """Raised for a call whose job has ended without an answer; `job_id` is the job's."""

    def __init__(self, message: str, *, job_id: int, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.job_id = job_id

    def __reduce__(self) -> Any:
        return _job_lost, (self.message, self.job_id, self.hint)


def _job_lost(message: str, job_id: int, hint: str) -> JobLost:
    return JobLost(message, job_id=job_id, hint=hint)


class MapFailed(PartlyFailed):
    """Raised when some inputs of a map have failed; `errors` has the exception of each, by the number of the input."""

    def __init__(self, message: str, *, errors: Mapping[int, BaseException], hint: str) -> None:
        super().__init__(message, hint=hint, details={number: repr(error) for number, error in errors.items()})
        self.errors = dict(errors)


class WaitTimeout(StillWaiting, TimeoutError):
    """Raised when the time of a wait is over; the jobs go on."""


class RemoteTraceback(Exception):
    """The traceback of an exception as the node printed it; the exception has this as its cause."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class RemoteError(Exception):
    """Stands for an exception of the node that cannot be brought back itself; its text names it."""
