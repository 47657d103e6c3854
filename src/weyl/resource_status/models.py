"""What the resource status routes answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field


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
