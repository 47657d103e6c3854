"""What pages show of files and directories: one of each, and a part of the tree."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

CHILDREN_MAX = 200
RELATIVES_MAX = 1_000


class DirectoryShown(BaseModel):
    """A directory; counts and bytes are of all that lies below, and null unless they were asked for."""

    path: str
    owner: str | None
    group: str | None
    mode: str
    created_at: datetime
    files: int | None = None
    bytes: int | None = None
    trash_files: int | None = None
    trash_bytes: int | None = None


class Node(DirectoryShown):
    """A directory of the tree."""

    id: str
    """Its path."""
    name: str
    leaf: bool
    """Whether there is no directory in it."""


class Branch(BaseModel):
    """A part of the tree."""

    home: str | None
    """Where the caller begins: their home, or the nearest directory above it that is there."""
    lineage: list[str]
    """The directories from the top to the one that was asked for, or to `home`."""
    node: DirectoryShown | None
    nodes: list[Node]
    """The directories in it, or the topmost ones."""
    cursor: str | None
    """Where the list of them goes on, if it does."""


class ElementUsage(BaseModel):
    """What lies below a directory on one storage element."""

    se: str
    files: int
    bytes: int
    trash_files: int
    trash_bytes: int


class FileShown(BaseModel):
    """A file, under the names that searches have for its parameters."""

    model_config = ConfigDict(alias_generator=to_pascal, populate_by_name=True)

    file_id: int = Field(alias="FileID")
    lfn: str = Field(alias="LFN")
    name: str
    directory: str
    size: int
    checksum: str
    """All that are known, as `adler32:…, sha256:…`."""
    guid: str | None = Field(alias="GUID")
    owner: str
    group: str
    mode: str
    status: str
    se: list[str] = Field(alias="SE")
    replica_count: int
    job_id: int | None = Field(alias="JobID")
    attempt: int | None
    creation_time: datetime
    modification_time: datetime
    trash_time: datetime | None


class ReplicaShown(BaseModel):
    """A replica of a file, and whether it can be read now."""

    se: str
    status: str
    usable: bool
    reason: str | None
    verified_at: datetime | None
    created_at: datetime
    pfn: str


class RelativeShown(BaseModel):
    """A file that another one was made from, or that was made from it, so many steps away."""

    file_id: int
    lfn: str
    size: int | None
    status: str | None
    """Null: it is gone for good."""
    depth: int


class FieldShown(BaseModel):
    """A field of the VO, with the value that a file or directory has."""

    name: str
    type: str
    unit: str | None
    values: list[Any] | None
    help: str | None
    value: Any
    """Null: none."""
    from_: str | None = Field(alias="from")
    """The directory that the value is from, or the file itself."""
    is_own: bool

    model_config = ConfigDict(populate_by_name=True)


class MetadataShown(BaseModel):
    """All fields that a file or directory may have a value of, and whether the caller may set them."""

    may_edit: bool
    fields: list[FieldShown]
