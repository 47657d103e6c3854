"""What crosses the wire about uploads."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from weyl.file_catalog.models.files import ANCESTORS_MAX, Failure, Path, SEName
from weyl.kit.bounds import ClosedModel, Entries, Name

FILES_MAX = 10_000
PERSON_FILES_MAX = 1_000
PLACES_MAX = 10
SIZE_MAX = 1 << 50
PARTS_MAX = 10_000
PAGE_MAX = 100

UploadId = Annotated[int, Field(ge=1, le=(1 << 63) - 1)]
ETag = Annotated[str, Field(min_length=1, max_length=255)]
ChecksumMap = Annotated[dict[str, Name], Entries(4)]


class PlaceOrder(ClosedModel):
    """Where a file lies already; without `pfn`, where its name says."""

    se: SEName
    pfn: Path | None = None


class UploadFile(ClosedModel):
    """A file that is to be stored and registered, or, with `at`, to be registered where it lies."""

    lfn: Path
    size: int = Field(ge=0, le=SIZE_MAX, description="In bytes")
    checksums: ChecksumMap = Field(description="By name: adler32, md5, sha1 or sha256, in hexadecimal")
    metadata: Annotated[dict[str, Any], Entries(100)] = Field(default={})
    ancestors: list[Path] = Field(default=[], max_length=ANCESTORS_MAX)
    guid: str | None = Field(default=None, max_length=36)
    at: list[PlaceOrder] = Field(default=[], max_length=PLACES_MAX)


class UploadRequest(ClosedModel):
    """Files that are to be uploaded, and to which storage elements, in order of preference."""

    files: list[UploadFile] = Field(min_length=1, max_length=PERSON_FILES_MAX)
    ses: list[SEName] | None = Field(default=None, min_length=1, max_length=PLACES_MAX)
    site: Name | None = Field(default=None, description="Where the client is")
    protocols: list[Name] | None = Field(default=None, max_length=10, description="What the client speaks")
    atomic: bool = Field(default=False, description="All of them become visible at once, or none")


class LandedOrder(ClosedModel):
    """Where a file is; what the storage answered to each of its parts, in order."""

    se: SEName
    etags: list[ETag] = Field(default=[], max_length=PARTS_MAX)


class CommitRequest(ClosedModel):
    """Where the files of an upload have landed, by the names under which they were opened."""

    landed: Annotated[dict[str, LandedOrder], Entries(FILES_MAX)] = Field(default={})


class Target(BaseModel):
    """A storage element where a file may be written, and the request that writes it."""

    se: str
    request: dict[str, Any]


class FileOpened(BaseModel):
    """A file of an upload: `registered` is known with the same content, and needs nothing."""

    lfn: str
    state: Literal["wanted", "registered"]
    targets: list[Target] = []
    file_id: int | None = None
    """Of one that is registered."""


class Opened(BaseModel):
    """An upload, and where its files may be written; the first target is the one to try first."""

    upload_id: int | None
    state: str
    expires_at: datetime | None
    files: dict[str, FileOpened]
    failed: dict[str, Failure] = Field(default={})


class FileCommitted(BaseModel):
    """A file that is registered."""

    lfn: str
    file_id: int | None


class Committed(BaseModel):
    """How far an upload is; `verifying`: ask again, or look for the files later."""

    state: str
    files: dict[str, FileCommitted] = Field(default={})
    failed: dict[str, Failure] = Field(default={})


class UploadLine(BaseModel):
    """An upload in a list."""

    upload_id: int
    state: str
    files: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
