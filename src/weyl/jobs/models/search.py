"""What a search and a summary of jobs answer beside the columns."""

from datetime import datetime

from pydantic import BaseModel

from weyl.kit.search import Conditions


class LoggingRecord(BaseModel):
    """One line of a job's history."""

    Status: str
    MinorStatus: str
    ApplicationStatus: str
    StatusTime: datetime
    Source: str


class GroupSearch(BaseModel):
    """Which job groups are asked for: conditions on VO, Owner, OwnerGroup, JobType or JobGroup."""

    search: Conditions = []


class JobGroupRow(BaseModel):
    """How far the jobs are that one owner has given the same `JobGroup`; deleted jobs are not counted.

    `Waiting` are those that no pilot has yet, `Running` those that one has; `Progress`
    is the percentage that has ended. `EstimatedEnd` is when all will have ended
    if they go on at the pace of the last hour; null if none has ended in that time, or all have.
    """

    JobGroup: str
    Owner: str
    VO: str
    Jobs: int
    Waiting: int
    Running: int
    Done: int
    Failed: int
    Killed: int
    Progress: float
    LastJobID: int
    LastSubmissionTime: datetime
    EstimatedEnd: datetime | None
