"""What may go wrong with jobs, in words for the person whose job it is."""

from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable


class KeyReused(Conflict):
    """An Idempotency-Key that came before with another body."""

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used less than 24 hours ago for another submission. "
            "Use a new key for new jobs, or repeat the same body to get its answer again."
        )


class JobNotFound(NotFound):
    """No such job, as far as this user can tell."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"Job {job_id} not found")


class BadOutputs(BadRequest):
    """A manifest that cannot be one of this job; nothing was changed."""


class RunIsOver(Conflict):
    """The job runs somewhere else by now, or has ended: what its earlier run says of files changes nothing."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"This run of job {job_id} is over: its files are not registered")


class InputsUnknown(Unavailable):
    """Where the files of a job are cannot be said now; to ask again helps."""


class NotTheRun(Forbidden):
    """People see the files of jobs; what a run reads and leaves is for the run alone."""


class NoOutputs(NotFound):
    """The job has not put out anything, or nothing yet."""


class HasFailed(Conflict):
    """The job has ended without outputs, and never will have any; the detail says why."""


class NothingChanged(NotFound):
    """Status reports of which none concerned a job that may be changed; the detail says why, job by job."""


class SiteIsKnown(BadRequest):
    """The site of a job that a pilot has is where that pilot is, and what limits of the site count."""

    def __init__(self, job_id: int, site: str) -> None:
        super().__init__(f"Job {job_id} is at {site}, as its pilot is: its site cannot be set; nothing was changed")


class ImmutableColumn(BadRequest):
    """A column that reports cannot set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} cannot be set: of the columns of a job only Site can; nothing was changed")


class BadOrder(BadRequest):
    """An order about many jobs that cannot be understood; nothing was changed."""
