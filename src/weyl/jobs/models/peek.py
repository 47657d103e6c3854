"""What somebody sees who looks at the output of a job."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel


class Stream(StrEnum):
    """The standard streams of a payload."""

    OUTPUT = "output"
    ERROR = "error"


class Glance(BaseModel):
    """The last text of a stream that has arrived; null if the job has shown none."""

    job_id: int
    status: str
    stream: Stream
    text: str | None = None
    heard_at: datetime | None = None
    """When the job last gave a sign of life, and with it what it had written."""
    is_asked: bool = False
    """Whether a request for more output is still on its way to the job."""
    sandbox: str | None = None
    """The output sandbox of a job that has ended, which holds the whole stream."""
    file: str | None = None
    """The file in that sandbox; a stream to which nothing was written has none there."""
    note: str | None = None
    """Why a job that has ended has no output sandbox; of a workflow, where else to look if the stream is empty."""
