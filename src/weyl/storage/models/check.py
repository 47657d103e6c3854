"""What crosses the wire about comparing the catalogue with a storage element."""

from pydantic import BaseModel, Field

from weyl.file_catalog.models.files import Path, SEName
from weyl.kit.bounds import ClosedModel, Token


class CheckRequest(ClosedModel):
    """A storage element whose files are to be compared with the catalogue, a page at a time."""

    se: SEName
    under: Path | None = Field(default=None, description="Storage path of a directory; everything if not given")
    cursor: Token | None = Field(default=None, description="From the page before")
    checksums: bool = Field(default=False, description="Compare checksums too; what storage cannot tell is read back")


class FindingShown(BaseModel):
    """A path of which catalogue and storage do not say the same."""

    kind: str
    path: str
    lfn: str | None
    detail: str


class Checked(BaseModel):
    """A page of the comparison: replicas and files that were compared, and what was found; no cursor: the last."""

    compared: int
    findings: list[FindingShown]
    cursor: str | None
