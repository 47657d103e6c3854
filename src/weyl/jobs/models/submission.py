"""What crosses the wire when jobs are submitted."""

from datetime import datetime

from pydantic import BaseModel


class InsertedJob(BaseModel):
    """A job that now exists, as the answer to its submission."""

    JobID: int
    Status: str
    MinorStatus: str
    TimeStamp: datetime
