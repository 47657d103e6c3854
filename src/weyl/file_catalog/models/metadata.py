"""Values of files and directories on the wire."""

from typing import Annotated

from pydantic import ConfigDict, Field

from weyl.file_catalog.models.fields import Scalar
from weyl.file_catalog.models.files import FILES_MAX, Path, Paths
from weyl.kit.bounds import ClosedModel, Entries, Name

VALUES_MAX = 100
"""Values of one file or directory in one call."""

Values = Annotated[dict[Name, Scalar | None], Entries(VALUES_MAX)]


class MetadataAsked(ClosedModel):
    """Whose values are wanted; with `inherited` what holds there, else own values only."""

    paths: Paths
    inherited: bool = True


class MetadataChange(ClosedModel):
    """Values to set, by file or directory and field; null takes the own value away."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    changes: Annotated[dict[Path, Values], Entries(FILES_MAX), Field(alias="set", min_length=1)]
