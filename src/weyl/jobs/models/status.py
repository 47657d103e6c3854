"""Status reports of jobs and what comes of them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

from weyl.jobs.models.values import StorableText
from weyl.jobs.states import JobStatus
from weyl.kit.bounds import REPORTS_MAX, Entries

REPORTS_PER_JOB_MAX = 1_000

WIRE = ConfigDict(alias_generator=to_pascal, populate_by_name=True)


class JobStatusUpdate(BaseModel):
    """One dated report about a job: what is absent stays as it is."""

    model_config = WIRE

    status: JobStatus | None = None
    minor_status: StorableText | None = None
    application_status: StorableText | None = None
    source: StorableText = "Unknown"
    error_class: StorableText | None = None
    """With `Failed`: why, in one word (memory, time, host, ...); decides whether the job runs again."""


StatusReports = Annotated[
    dict[int, Annotated[dict[datetime, JobStatusUpdate], Entries(REPORTS_PER_JOB_MAX)]], Entries(REPORTS_MAX)
]
"""Reports by job, by their time."""


class SetJobStatusReturnSuccess(BaseModel):
    """The columns of a job that its reports changed."""

    model_config = WIRE

    status: JobStatus | None = None
    minor_status: str | None = None
    application_status: str | None = None
    heart_beat_time: datetime | None = None
    start_exec_time: datetime | None = None
    end_exec_time: datetime | None = None
    last_update_time: datetime | None = None


class SetJobStatusReturn(BaseModel):
    """What came of a set of reports, job by job."""

    success: dict[int, SetJobStatusReturnSuccess]
    failed: dict[int, dict[str, str]]
