"""What a search and a summary of jobs answer beside the columns."""

from datetime import datetime

from pydantic import BaseModel


class LoggingRecord(BaseModel):
    """One line of a job's history."""

    Status: str
    MinorStatus: str
    ApplicationStatus: str
    StatusTime: datetime
    Source: str
