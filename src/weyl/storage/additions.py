"""What a higher room adds to uploads: jobs say whether a run may still commit, and hear how its upload ended."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from weyl.kit.db import Tx
from weyl.kit.services import Key


@dataclass(frozen=True, slots=True)
class RunUpload:
    """The upload of the outputs of one run of a job."""

    upload_id: int
    vo: str
    job_id: int
    attempt: int
    pilot_stamp: str | None = None


class JobUploads(Protocol):
    """Ties uploads to the runs of jobs; each is called in the transaction that changes the upload."""

    def admit(self, tx: Tx, upload: RunUpload, *, now: datetime) -> Awaitable[None]:
        """Lock the row of the job, before any row of uploads or files; raises `UploadOver` if this run is over."""
        ...

    def registered(self, tx: Tx, upload: RunUpload, *, now: datetime) -> Awaitable[None]:
        """Note that the outputs of the run are registered: its job ends Done if it waited for this alone."""
        ...

    def failed(self, tx: Tx, upload: RunUpload, reason: str, *, now: datetime) -> Awaitable[None]:
        """Note that the outputs of the run will not be registered: its job ends Failed if it waited for them."""
        ...


JOB_UPLOADS: Key[JobUploads] = Key("the uploads of jobs")
"""Filled in by the room of jobs."""
