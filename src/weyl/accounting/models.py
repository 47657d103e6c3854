"""What is asked of accounting, and what it answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from weyl.kit.bounds import ClosedModel, Entries

Bucket = Literal["hour", "day", "month", "all"]
JobKey = Literal["vo", "owner", "owner_group", "job_type", "site", "status"]
PilotKey = Literal["vo", "site", "ce", "queue", "status"]
Word = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00]*$")]
Values = Annotated[list[Word], Field(min_length=1, max_length=1_000)]


class JobReport(ClosedModel):
    """A question for sums of jobs that ended from `start` on and before `end`."""

    start: datetime
    end: datetime
    by: list[JobKey] = Field(default=[], max_length=6)
    bucket: Bucket = "all"
    where: Annotated[dict[JobKey, Values], Entries(6)] = Field(default={})


class PilotReport(ClosedModel):
    """A question for sums of pilots that ended from `start` on and before `end`."""

    start: datetime
    end: datetime
    by: list[PilotKey] = Field(default=[], max_length=5)
    bucket: Bucket = "all"
    where: Annotated[dict[PilotKey, Values], Entries(5)] = Field(default={})


JobValue = Literal["jobs", "wall_s", "cpu_s", "core_s", "efficiency", "mean_wall_s"]
PilotValue = Literal["pilots", "empty", "jobs", "wall_s", "job_wall_s", "efficiency", "empty_fraction"]
SeriesBucket = Literal["hour", "day", "month"]
Top = Annotated[int, Field(ge=1, le=50)]


class JobSeries(ClosedModel):
    """A question for a value of jobs over time, for the `top` largest of a key by themselves and the others as one."""

    start: datetime
    end: datetime
    value: JobValue = "jobs"
    by: JobKey | None = None
    bucket: SeriesBucket = "day"
    top: Top = 10
    normalised: bool = Field(default=False, description="As parts of the sum of each bucket")
    where: Annotated[dict[JobKey, Values], Entries(6)] = Field(default={})


class PilotSeries(ClosedModel):
    """A question for a value of pilots over time, for the `top` largest of a key by themselves, the others as one."""

    start: datetime
    end: datetime
    value: PilotValue = "pilots"
    by: PilotKey | None = None
    bucket: SeriesBucket = "day"
    top: Top = 10
    normalised: bool = Field(default=False, description="As parts of the sum of each bucket")
    where: Annotated[dict[PilotKey, Values], Entries(5)] = Field(default={})


class SeriesLine(BaseModel):
    """One line of a plot."""

    name: str
    is_other: bool = Field(description="Whether this stands for all that are not among the largest")
    total: float | None
    values: list[float | None] = Field(description="One for each bucket; null where there is nothing to divide by")


class Series(BaseModel):
    """What a plot shows: its buckets, of which each has its start, and its lines, the largest first."""

    value: str
    unit: str
    bucket: SeriesBucket
    normalised: bool
    buckets: list[datetime]
    series: list[SeriesLine]


class ActivitySample(BaseModel):
    """What ran and waited at a moment: jobs, pilots, and the cores that running jobs held."""

    at: datetime
    running: int
    waiting: int
    pilots: int
    cores: int


class EndedJobs(BaseModel):
    """Jobs that were done or failed in an hour, and how many of them failed."""

    hour: datetime
    ended: int
    failed: int


class Activity(BaseModel):
    """The last day of a VO: samples every few minutes, and for each hour the jobs that ended in it, oldest first."""

    since: datetime
    step_s: int = Field(description="Seconds between samples; a longer gap means that no worker ran")
    samples: list[ActivitySample]
    hours: list[EndedJobs] = Field(description="Hours in which no job ended are left out")


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
