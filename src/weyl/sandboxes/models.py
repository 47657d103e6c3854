"""What crosses the wire about sandboxes, and the form of their names."""

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, Field

# The stray colon is part of the published contract; nothing that we make has it.
PFN_PATTERN = r"^(:?SB:[A-Za-z]+\|)?/S3/[a-z0-9\.\-]{3,63}(?:/[^/]+){3}/[a-z0-9]{3,10}:[0-9a-f]{64}\.[a-z0-9\.]+$"
PFN_LENGTH_MAX = 256


class ChecksumAlgorithm(StrEnum):
    """How the content of a sandbox is identified."""

    SHA256 = "sha256"


class SandboxFormat(StrEnum):
    """How a sandbox is packed."""

    TAR_BZ2 = "tar.bz2"
    TAR_ZST = "tar.zst"


class SandboxType(StrEnum):
    """Whether a job gets a sandbox or leaves it, as it stands in URLs."""

    INPUT = "input"
    OUTPUT = "output"


class SandboxInfo(BaseModel):
    """A sandbox that a client wants to upload."""

    checksum_algorithm: ChecksumAlgorithm
    checksum: str = Field(max_length=64, pattern=r"^[0-9a-fA-F]{64}$")
    size: int = Field(ge=1)
    format: SandboxFormat


class SandboxRules(BaseModel):
    """What may be uploaded, and how it will be named: the area, the checksum (`sha256:…`), a dot and the format."""

    bytes_max: int
    area: str


class SandboxUploadResponse(BaseModel):
    """The name of a sandbox, and where to upload it unless it is stored already."""

    pfn: str
    url: str | None = None
    fields: dict[str, str] = {}


class SandboxDownloadResponse(BaseModel):
    """Where a sandbox can be read, and for how many seconds."""

    url: str
    expires_in: int


class Owner(NamedTuple):
    """Whose a sandbox is: a preferred username within a VO, whatever the group."""

    vo: str
    username: str


def bare_pfn(pfn: str) -> str:
    """Return the name without its `SB:<SE>|` prefix, as it is stored and listed."""
    start = pfn.find("/S3/")
    return pfn[start:] if start > 0 else pfn
