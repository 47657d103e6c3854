"""Requests that clients send to storage elements themselves, as they cross the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from weyl.file_catalog.models.files import Failure, Path
from weyl.kit.bounds import ClosedModel, Name
from weyl.storage.models.elements import ElementName

ACCESSES_MAX = 1_000
STATS_MAX = 1_000
TTL_S = 600
TTL_MIN_S, TTL_MAX_S = 60, 3_600

Protocol = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[a-z][a-z0-9+.-]*$")]
Protocols = Annotated[list[Protocol], Field(min_length=1, max_length=16, fail_fast=True)]
LFNs = Annotated[list[Path], Field(min_length=1, max_length=ACCESSES_MAX, fail_fast=True)]


class PartShown(BaseModel):
    """One part of a file that is sent in several requests."""

    number: int
    offset: int
    size: int
    url: str
    headers: dict[str, str]


class RequestShown(BaseModel):
    """What a client is to send to storage, with exactly these headers, before it ends.

    Of a mounted directory, `path` is the file; who writes, writes to `temporary` and renames that to `path`.
    """

    protocol: str
    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime
    path: str | None = None
    temporary: str | None = None
    upload: str | None = None
    parts: list[PartShown] | None = None


class AccessOrder(ClosedModel):
    """Files that somebody at a site wants to read, with the protocols that they speak, for some seconds."""

    lfns: LFNs
    site: Name | None = None
    protocols: Protocols | None = None
    ttl_s: int = Field(default=TTL_S, ge=TTL_MIN_S, le=TTL_MAX_S)


class ReplicaAccess(BaseModel):
    """A request that reads a replica."""

    se: str
    request: RequestShown


class FileAccess(BaseModel):
    """What a file is, and the requests that read it, the best first."""

    size: int
    checksums: dict[str, str]
    replicas: list[ReplicaAccess]


class AccessShown(BaseModel):
    """What became of each name: requests, or why there are none."""

    success: dict[str, FileAccess]
    failed: dict[str, Failure]


class BrowserAccess(BaseModel):
    """A URL that a browser can open by itself, for a while."""

    url: str


class StatOrder(ClosedModel):
    """Files whose replicas a storage element is asked about."""

    se: ElementName
    lfns: Annotated[list[Path], Field(min_length=1, max_length=STATS_MAX, fail_fast=True)]


class StatShown(BaseModel):
    """What lies at a storage element under the paths of replicas, beside what the catalogue says; null: nothing."""

    success: dict[str, dict[str, Any]]
    failed: dict[str, Failure]
