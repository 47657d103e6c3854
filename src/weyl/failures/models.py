"""What the API says of failures that are alike."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from weyl.kit.bounds import ClosedModel

NOTE_LENGTH_MAX = 2_000


class FailureNote(BaseModel):
    """What people know of a kind of failure."""

    note: str
    link: str | None
    author: str
    at: datetime


class FailureCluster(BaseModel):
    """Failures with one signature, of the time that was asked for; `text` names nobody, `example` is one as it was."""

    vo: str
    signature: str
    text: str
    example: str = Field(description="Empty for those who see their own jobs only")
    example_job_id: int | None
    count: int
    before: int = Field(description="How many there were in a time as long, just before")
    is_new: bool = Field(description="Whether there were none then")
    first_seen: datetime | None
    last_seen: datetime | None
    sites: dict[str, int] = Field(description="The ten with most failures")
    sites_total: int
    users: dict[str, int] = Field(description="The ten with most failures")
    users_total: int
    trend: list[int] = Field(description="Failures in each bucket of time")
    split: dict[str, list[int]] = Field(description="The same for each of these sites or users")
    cause: str | None = Field(description="What such a failure means; null if nobody knows")
    cure: str | None = Field(description="What may be done about it")
    note: FailureNote | None


class Failures(BaseModel):
    """Kinds of failures, the most frequent first, and the buckets of time that their trends are in."""

    since: datetime
    until: datetime
    bucket_s: int
    clusters: list[FailureCluster]


class Elsewhere(BaseModel):
    """How often the same failure was seen in the last day, where and whose, and since when it is known."""

    count: int
    sites: dict[str, int]
    users: dict[str, int]
    first_seen: datetime | None


class HostHistory(BaseModel):
    """What has become of jobs on the host lately; nothing is known of most hosts, which is good news."""

    site: str
    host: str
    score: float | None = Field(description="From 0, nothing succeeds there, to 1")
    standing: str | None
    reason: str | None


class EarlierRun(BaseModel):
    """A run of the job before this one."""

    number: int
    site: str
    host: str | None
    error_class: str | None
    minor_status: str
    application_status: str
    ended_at: datetime


class FailureExplained(BaseModel):
    """What is known of the failure of one job."""

    signature: str
    text: str
    minor_status: str
    application_status: str | None = Field(description="What the job reported last, as it was; null if nothing")
    elsewhere: Elsewhere | None = Field(description="Null for those who see one job only, as a pilot")
    error_class: str | None
    exit_code: int | None
    exit_meaning: str | None
    cause: str | None = Field(description="What such a failure means; null if nobody knows")
    cure: str | None = Field(description="What may be done about it")
    cure_action: str | None = Field(description="The action of the page of jobs that does it, if one does")
    host: HostHistory | None
    retry: str
    reruns: int = Field(description="How often it has been run again already")
    earlier: list[EarlierRun] = Field(description="The last of its earlier runs, the latest first")
    note: FailureNote | None


class NoteOrder(ClosedModel):
    """What is to be said of a kind of failure, in place of what is said now; an empty note takes it back."""

    model_config = ConfigDict(str_strip_whitespace=True)

    note: Annotated[str, Field(max_length=NOTE_LENGTH_MAX, pattern=r"^[^\x00]*$")]
    link: Annotated[str, Field(max_length=500, pattern=r"^https?://[^\x00\s]+$")] | None = None
