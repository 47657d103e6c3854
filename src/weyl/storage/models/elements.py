"""Storage elements as they cross the wire: what they are, how they do, and what a test of one found."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from weyl.kit.bounds import ClosedModel

ElementName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f/]+$")]
StepName = Literal["write", "stat", "read", "delete"]
Access = Literal["read", "write", "check", "remove"]


class EndpointShown(BaseModel):
    """A door of a storage element, with the directory of the caller's VO behind it; `access` from which networks."""

    name: str
    protocol: str
    url: str
    access: dict[str, list[str]]


class AccessStatus(BaseModel):
    """Whether an access is allowed now, why not, and by when it must have ended."""

    allowed: bool
    reason: str | None = None
    until: datetime | None = None


class HealthShown(BaseModel):
    """How the element has been doing, as the server process that answers has seen it since it started."""

    state: Literal["unknown", "ok", "failing"]
    answered_at: datetime | None
    failed_at: datetime | None
    fault: str | None


class UsageShown(BaseModel):
    """What the files of the VO come to there, by the catalogue."""

    files: int
    bytes: int
    not_purged: int = Field(default=0, description="Replicas that were to be purged and are still there")
    not_purged_since: datetime | None = Field(default=None, description="When the first of them went to the trash")


class ElementDescription(BaseModel):
    """A storage element as a VO sees it; bytes, and null where nobody knows."""

    name: str
    medium: Literal["disk", "tape"]
    sites: list[str]
    vos: list[str] | None
    endpoints: list[EndpointShown]
    status: dict[Access, AccessStatus]
    health: HealthShown
    free: int | None
    total: int | None
    usage: UsageShown | None


class ProbeOrder(ClosedModel):
    """Which storage element is to be tested."""

    se: ElementName


class ProbeStep(BaseModel):
    """A step of a test, the seconds that it took, and what went wrong."""

    step: StepName
    seconds: float
    error: str | None
