"""What crosses the wire about pilots: registration, metadata, secrets, tokens, and the state of submission."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from weyl.jobs.models.values import Power, Storable
from weyl.kit.bounds import ATTRIBUTES_MAX, NAME_LENGTH_MAX, ClosedModel, Entries


class PilotStatus(StrEnum):
    """Where a pilot is in its life."""

    SUBMITTED = "Submitted"
    WAITING = "Waiting"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    DELETED = "Deleted"
    ABORTED = "Aborted"
    UNKNOWN = "Unknown"


FINAL_STATUSES = frozenset({PilotStatus.DONE, PilotStatus.FAILED, PilotStatus.DELETED, PilotStatus.ABORTED})


class PilotRegistrationParams(ClosedModel):
    """A pilot that somebody else has submitted."""

    pilot_stamp: Storable = Field(min_length=1, max_length=32)
    vo: Storable = Field(min_length=1, max_length=128)
    grid_type: Storable = Field(default="DIRAC", max_length=32)
    grid_site: Storable = Field(default="Unknown", max_length=128)
    destination_site: Storable = Field(default="NotAssigned", max_length=128)
    pilot_reference: Storable | None = Field(default=None, max_length=255)
    pilot_status: PilotStatus = PilotStatus.SUBMITTED


JobId = Annotated[int, Field(ge=0, lt=1 << 63)]


class PilotMetadata(ClosedModel):
    """What may be changed of a pilot; null leaves a field as it is."""

    StatusReason: Storable | None = Field(default=None, max_length=255)
    Status: PilotStatus | None = None
    BenchMark: Power | None = Field(default=None, description="DB12")
    DestinationSite: Storable | None = Field(default=None, max_length=128)
    Queue: Storable | None = Field(default=None, max_length=128)
    GridSite: Storable | None = Field(default=None, max_length=128)
    GridType: Storable | None = Field(default=None, max_length=32)
    AccountingSent: bool | None = None
    CurrentJobID: JobId | None = None
    StartedJobs: list[JobId] | None = Field(default=None, max_length=10_000)
    """With a pilot's own last word: the jobs whose payloads it started. Others that it was given run nowhere."""


class PilotSecretRedemption(ClosedModel):
    """What a pilot sends when it speaks for the first time."""

    secret: Storable = Field(min_length=1, max_length=256)
    host: Storable = Field(default="", max_length=255)
    stamp: Storable | None = Field(default=None, max_length=32, pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    offer: Annotated[dict[str, Any], Entries(ATTRIBUTES_MAX)] | None = None


class PilotTokenRefresh(ClosedModel):
    """A refresh token, to be exchanged for the next one."""

    refresh_token: Storable = Field(min_length=1, max_length=512)


class PilotTokens(BaseModel):
    """The tokens of a pilot and what it has to know about its place."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"
    expires_in: int
    not_after: datetime
    stamp: str
    vo: str
    site: str | None = None
    ce: str | None = None
    queue: str | None = None
    settings: dict[str, Any] = {}
    payload_environment: dict[str, str] = {}


class PilotFile(BaseModel):
    """Where a pilot can fetch a file, for a few minutes."""

    url: str


class PilotSecretParams(ClosedModel):
    """For whom and for how long a secret for self-starting pilots is made; the VO is the caller's unless named."""

    vo: Storable | None = Field(default=None, max_length=128)
    site: Storable = Field(min_length=1, max_length=128)
    ce: Storable | None = Field(default=None, max_length=128)
    queue: Storable | None = Field(default=None, max_length=128)
    max_uses: int = Field(default=1, ge=1, le=1_000_000)
    hours: float = Field(default=72, gt=0, le=72)


class PilotSecret(BaseModel):
    """A new secret; it is shown this once."""

    secret_id: UUID
    secret: str
    not_after: datetime


Stamps = Annotated[
    list[Annotated[Storable, Field(max_length=NAME_LENGTH_MAX)]], Field(max_length=10_000, fail_fast=True)
]


class PilotRevocation(ClosedModel):
    """Which secrets and pilots lose their right to speak: those that fit every field given."""

    secret_id: UUID | None = None
    stamps: Stamps | None = None
    host: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    ce: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    site: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    vo: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)


class PilotDrain(ClosedModel):
    """Which pilots finish what they have and take no more jobs: those that fit every field given."""

    stamps: Stamps | None = None
    host: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    ce: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    site: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    vo: Storable | None = Field(default=None, max_length=NAME_LENGTH_MAX)
    undo: bool = False
    """Let them go on as before; pilots that heard the order already stop nevertheless."""


class Drained(BaseModel):
    """The pilots that were told something new."""

    stamps: list[str]


class Revoked(BaseModel):
    """What was revoked."""

    secrets: int
    stamps: list[str]


class SubmissionState(BaseModel):
    """How submission to one queue stands."""

    vo: str
    site: str
    ce: str
    queue: str
    planned_at: datetime
    demand: float
    usable: float
    need: int
    waiting: int
    total: int
    reason: str | None = None


class UnhealthyHost(BaseModel):
    """A worker node that gets fewer jobs than it asks for, and why; it recovers by itself."""

    site: str
    host: str
    score: float
    standing: str
    since: datetime
    quick_failures: int
    reason: str


class PilotOutput(BaseModel):
    """What a pilot left on its computing element; null where that cannot give it."""

    stdout: str | None = None
    stderr: str | None = None
    log: str | None = None
    exit_code: int | None = None


class OfferDocument(BaseModel):
    """A question about an offer as a client sends it: the server checks what is in it."""

    offer: dict[str, Any]
