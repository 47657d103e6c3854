"""What is asked of accounting, and what it answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Bucket = Literal["hour", "day", "month", "all"]
JobKey = Literal["vo", "owner", "owner_group", "job_type", "site", "status"]
PilotKey = Literal["vo", "site", "ce", "queue", "status"]
Word = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]
Values = Annotated[list[Word], Field(min_length=1, max_length=1_000)]


class JobReport(BaseModel):
    """A question for sums of jobs that ended from `start` on and before `end`."""

    model_config = ConfigDict(extra="forbid")

    start: datetime
    end: datetime
    by: Annotated[list[JobKey], Field(max_length=6)] = []
    bucket: Bucket = "all"
    where: dict[JobKey, Values] = {}


class PilotReport(BaseModel):
    """A question for sums of pilots that ended from `start` on and before `end`."""

    model_config = ConfigDict(extra="forbid")

    start: datetime
    end: datetime
    by: Annotated[list[PilotKey], Field(max_length=5)] = []
    bucket: Bucket = "all"
    where: dict[PilotKey, Values] = {}


class JobSums(BaseModel):
    """Sums of jobs: how many, seconds of wall time, of CPU, and of cores held."""

    bucket: datetime | None = None
    keys: dict[str, str]
    jobs: int
    wall_s: float
    cpu_s: float
    core_s: float


class PilotSums(BaseModel):
    """Sums of pilots: how many, how many of them ran no job, jobs run, seconds lived, and seconds of their jobs."""

    bucket: datetime | None = None
    keys: dict[str, str]
    pilots: int
    empty: int
    jobs: int
    wall_s: float
    job_wall_s: float
