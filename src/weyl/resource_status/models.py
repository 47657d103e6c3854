"""What the resource status routes take and answer."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from weyl.config.status import StatusWord
from weyl.kit.bounds import ClosedModel

ORDERS_MAX = 10_000


class Kind(StrEnum):
    """The kinds of elements; the values are the last words of their routes."""

    STORAGE = "storage"
    COMPUTE = "compute"
    SITE = "site"
    FTS = "fts"


class AllowedStatus(BaseModel):
    """The element may be used, perhaps with a warning."""

    allowed: Literal[True]
    warnings: str | None = None


class BannedStatus(BaseModel):
    """The element may not be used now."""

    allowed: Literal[False]
    reason: str = "Unknown"


ResourceStatus = Annotated[AllowedStatus | BannedStatus, Field(discriminator="allowed")]


class StorageElementStatus(BaseModel):
    """Whether a storage element may be used, for each kind of access."""

    read: ResourceStatus
    write: ResourceStatus
    check: ResourceStatus
    remove: ResourceStatus


class ComputeElementStatus(BaseModel):
    """Whether a computing element may be used."""

    all: ResourceStatus


class FTSStatus(BaseModel):
    """Whether a transfer server may be used."""

    all: ResourceStatus


class SiteStatus(BaseModel):
    """Whether a site may be used."""

    all: ResourceStatus


ElementName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
Reason = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class Place(ClosedModel):
    """One kind of access to one element, for a VO; the caller's own if none is given, `all` for every one."""

    kind: Kind
    name: ElementName
    access: Literal["all", "read", "write", "check", "remove"] = "all"
    vo: ElementName | None = None

    @model_validator(mode="after")
    def _has_access(self) -> "Place":
        if (self.kind is Kind.STORAGE) == (self.access == "all"):
            raise ValueError("access is read, write, check or remove for storage, and all for every other kind")
        return self


class StatusOrder(Place):
    """A status to give to an element, until a time or until it is taken back."""

    status: StatusWord
    reason: Reason = ""
    expires_at: datetime | None = None
    force: bool = False


class DrainOrder(Place):
    """An element that is to run empty: by a time, or, without one, from now on."""

    reason: Annotated[Reason, StringConstraints(min_length=1)]
    until: datetime | None = None


class Changed(BaseModel):
    """An element for a VO, of which something was said or taken back."""

    kind: Kind
    name: str
    access: str
    vo: str


class Failed(Changed):
    """An element of which nothing was changed, and why."""

    reason: str


class Changes(BaseModel):
    """What became of a bulk of orders."""

    success: list[Changed]
    failed: list[Failed]


class ClaimShown(BaseModel):
    """What somebody says of an element; the author of what is said for every VO is told to operators only."""

    vo: str
    source: str
    status: StatusWord | None
    reason: str
    author: str | None
    set_at: datetime
    expires_at: datetime | None
    until: datetime | None
    force: bool


class ElementShown(BaseModel):
    """An element as a VO sees it: its status, who decided, and until when it may be used."""

    kind: Kind
    name: str
    access: str
    site: str | None
    status: str
    reason: str | None
    decided_by: str
    drain_until: datetime | None
    draining: bool
    expires_at: datetime | None


class Why(ElementShown):
    """An element with every claim that holds now, the one that decides first."""

    claims: list[ClaimShown]


class HistoryEntry(BaseModel):
    """A claim that was made or taken back."""

    at: datetime
    action: str
    kind: Kind
    name: str
    access: str
    vo: str
    source: str
    status: StatusWord | None
    reason: str
    changed_by: str | None
    expires_at: datetime | None
    until: datetime | None
    force: bool
