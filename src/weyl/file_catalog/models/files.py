"""Files, directories and replicas as they cross the wire; failures are data, one for each name."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from weyl.kit.bounds import NAME_LENGTH_MAX, ClosedModel, Entries, Name, Token

FILES_MAX = 10_000
TRASHED_MAX = 1_000
"""Files of one call that deletes or restores; more are an order (`/api/files/bulk`)."""
ANCESTORS_MAX = 1_000
REPLICAS_MAX = 100
CHECKSUMS_MAX, VALUES_MAX = 4, 100
"""Of one file."""
GUID_LENGTH_MAX, SE_LENGTH_MAX = 64, 255
LIST_MAX = 10_000
DEPTH_MAX = 10
SIZE_MAX = (1 << 63) - 1
FILES_BYTES_MAX = 64 << 20
# A name that is too long by a little is told which rule it breaks; what is longer still is no name.
PATH_CHARACTERS_MAX = 4_096

Path = Annotated[str, StringConstraints(max_length=PATH_CHARACTERS_MAX)]
SEName = Annotated[str, StringConstraints(min_length=1, max_length=SE_LENGTH_MAX)]
Paths = Annotated[list[Path], Field(min_length=1, max_length=FILES_MAX, fail_fast=True)]
Trashed = Annotated[list[Path], Field(min_length=1, max_length=TRASHED_MAX, fail_fast=True)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$")]
Mode = Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$", max_length=4)]
"""Permissions as three octal digits: owner, group, others."""
IdentityName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]


class Code(StrEnum):
    """Why something cannot be done to one file or directory."""

    NOT_FOUND = "not_found"
    EXISTS = "exists"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    BAD_NAME = "bad_name"
    BAD_VALUE = "bad_value"
    BUSY = "busy"


class FileStatus(StrEnum):
    """Whether a file is there, deleted and kept for a while, or on its way out for good."""

    GOOD = "Good"
    TRASH = "Trash"
    PURGING = "Purging"


class ReplicaStatus(StrEnum):
    """Good: may be read; Suspect: read last; Bad: never read."""

    GOOD = "Good"
    SUSPECT = "Suspect"
    BAD = "Bad"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not done to one file or directory."""

    code: Code
    detail: str


@dataclass(slots=True)
class Outcome:
    """What became of each name of a call: every name is in one of the two."""

    success: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)


class OutcomeShown(BaseModel):
    """What became of each name of a call."""

    success: dict[str, Any]
    failed: dict[str, Failure]


class NewReplicaSpec(ClosedModel):
    """Where a file lies; `pfn` is its storage path, if that is not the LFN."""

    se: SEName
    pfn: Path | None = None


class NewFileSpec(ClosedModel):
    """A file that is to be registered."""

    lfn: Path
    size: int = Field(ge=0, le=SIZE_MAX)
    checksums: Annotated[dict[str, Name], Entries(CHECKSUMS_MAX)]
    """By name: adler32, md5, sha1, sha256, in hexadecimal digits."""
    guid: str | None = Field(default=None, max_length=GUID_LENGTH_MAX)
    metadata: Annotated[dict[str, Any], Entries(VALUES_MAX)] = Field(default={})
    ancestors: list[Path] = Field(default=[], max_length=ANCESTORS_MAX)
    replicas: list[NewReplicaSpec] = Field(default=[], max_length=REPLICAS_MAX)


class _Described:
    """Files of a call as documents with the fields of `NewFileSpec`, those that are left out too.

    A model for each of ten thousand files takes as long as all that is asked of the database. Nearly all of them are
    what `_is_plain` knows, and taken as they are; where one is not, the models say what is wrong, or read them.
    """

    _SPECS = Annotated[list[NewFileSpec], Field(min_length=1, max_length=FILES_MAX, fail_fast=True)]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validated, handler.generate_schema(self._SPECS))

    def _validated(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> list[dict[str, Any]]:
        if isinstance(value, list) and 0 < len(value) <= FILES_MAX and all(map(_is_plain, value)):
            return [{**_LEFT_OUT, **file} for file in value]
        return [file.model_dump() for file in validate(value)]


_LEFT_OUT: dict[str, Any] = {"guid": None, "metadata": {}, "ancestors": [], "replicas": []}
_FIELDS = NewFileSpec.model_fields.keys()


def _is_plain(file: Any) -> bool:
    """Tell whether a description is surely one that `NewFileSpec` takes, and takes as it is."""
    if type(file) is not dict or not file.keys() <= _FIELDS or file.get("ancestors"):
        return False
    lfn, size, checksums, guid = file.get("lfn"), file.get("size"), file.get("checksums"), file.get("guid")
    metadata, replicas = file.get("metadata", _LEFT_OUT["metadata"]), file.get("replicas", _LEFT_OUT["replicas"])
    return (
        _is_text(lfn, PATH_CHARACTERS_MAX)
        and type(size) is int
        and 0 <= size <= SIZE_MAX
        and checksums is not None
        and _is_mapping(checksums, CHECKSUMS_MAX)
        and all(_is_text(value, NAME_LENGTH_MAX) for value in checksums.values())
        and (guid is None or _is_text(guid, GUID_LENGTH_MAX))
        and _is_mapping(metadata, VALUES_MAX)
        and type(replicas) is list
        and len(replicas) <= REPLICAS_MAX
        and all(map(_is_plain_replica, replicas))
    )


def _is_plain_replica(replica: Any) -> bool:
    if type(replica) is not dict or not replica.keys() <= NewReplicaSpec.model_fields.keys():
        return False
    pfn = replica.get("pfn")
    return (
        _is_text(replica.get("se"), SE_LENGTH_MAX)
        and bool(replica["se"])
        and (pfn is None or _is_text(pfn, PATH_CHARACTERS_MAX))
    )


def _is_mapping(value: Any, most: int) -> bool:
    return type(value) is dict and len(value) <= most and all(map(str.isascii, value))


def _is_text(value: Any, most: int) -> bool:
    return type(value) is str and len(value) <= most and value.isascii()


class Registration(ClosedModel):
    """Files that somebody vouches for; with `atomic` all of them are registered, or none."""

    files: Annotated[list[dict[str, Any]], _Described()]
    atomic: bool = False


Parameter = Literal[
    "file_id", "size", "checksums", "guid", "owner", "group", "mode", "status", "job_id", "attempt", "created_at",
    "modified_at", "replicas", "metadata", "ancestors",
]  # fmt: skip


class Lookup(ClosedModel):
    """Names to look up, and what is wanted of each file; everything but metadata and ancestors if nothing is said."""

    lfns: Paths
    parameters: list[Parameter] | None = Field(default=None, max_length=20)
    trash: bool = False
    """Look in the trash: the latest file of each name."""


class ReplicaLookup(ClosedModel):
    """Names whose replicas are wanted, nearest to a site first."""

    lfns: Paths
    site: str | None = Field(default=None, max_length=255)


class ReplicaStatusChange(ClosedModel):
    """A status for the replicas of these files on one storage element."""

    lfns: Paths
    se: SEName
    status: ReplicaStatus
    reason: Reason


class Listing(ClosedModel):
    """A directory whose entries are wanted, a page at a time; `cursor` comes from the page before."""

    path: Path
    cursor: Token | None = None
    limit: int = Field(default=1_000, ge=1, le=LIST_MAX)
    trash: bool = False


class NewDirectories(ClosedModel):
    """Directories that are to be made, with those above them."""

    paths: Paths
    mode: Mode | None = None


class PathList(ClosedModel):
    """Directories or files."""

    paths: Paths


class Move(ClosedModel):
    """From where to where."""

    source: Path = Field(alias="from")
    target: Path = Field(alias="to")


class Moves(ClosedModel):
    """Files and directories that get another name."""

    moves: Annotated[list[Move], Field(min_length=1, max_length=FILES_MAX, fail_fast=True)]


class PermissionChange(ClosedModel):
    """What is to change of the permissions of directories and files; recursive: of all that lies below, too."""

    paths: Paths
    owner: IdentityName | None = None
    group: IdentityName | None = None
    mode: Mode | None = None
    recursive: bool = False


class Deletion(ClosedModel):
    """Files that go to the trash, and why."""

    lfns: Trashed
    reason: Reason


class Restoration(ClosedModel):
    """Names in the trash; of several files of one name the latest comes back."""

    lfns: Trashed


class Relatives(ClosedModel):
    """Files whose ancestors or descendants are wanted, up to so many steps away."""

    lfns: Paths
    depth: int = Field(default=1, ge=1, le=DEPTH_MAX)
