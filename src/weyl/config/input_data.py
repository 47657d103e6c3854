"""Where a VO keeps its input data: which file catalogue is asked, and the files that the configuration itself lists."""

from typing import Annotated

from pydantic import AfterValidator, Field

from weyl.config.lfns import fault_of
from weyl.config.section import Section

WEYL = "weyl"
"""The catalogue that weyl itself is."""
STATIC = "static"
"""The catalogue that this section is."""


def _listed_name(name: str) -> str:
    fault = fault_of(f"{name}file" if name.endswith("/") else name)
    if fault is not None:
        raise ValueError(f"is no name of a file or a directory: it {fault}")
    return name


ListedName = Annotated[str, AfterValidator(_listed_name)]


class ListedFile(Section):
    """Where a file has replicas, or every file below a directory; the size is in bytes."""

    storage_elements: list[str] = Field(min_length=1)
    size: int | None = Field(default=None, ge=0)


class InputDataOptions(Section):
    """How the input data of jobs are found; times in seconds."""

    catalog: str | None = WEYL
    stager: str | None = None
    remote_read: bool = False
    staged_for: int = Field(default=86_400, gt=0)
    files: dict[ListedName, ListedFile] = Field(default_factory=dict)
