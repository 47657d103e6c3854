"""What crosses the wire when jobs are submitted."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from weyl.kit.bounds import ATTRIBUTES_MAX, ClosedModel, Entries

CHECKED_MAX = 1_000
# A parametric description names the values of a hundred thousand jobs.
JDL_LENGTH_MAX = 16_000_000
DOCUMENT_LENGTH_MAX = 4_000_000

JDL = Annotated[str, StringConstraints(max_length=JDL_LENGTH_MAX)]
JobDocument = Annotated[dict[str, Any], Entries(ATTRIBUTES_MAX)]


class InsertedJob(BaseModel):
    """A job that now exists, as the answer to its submission."""

    model_config = ConfigDict(populate_by_name=True)

    job_id: int = Field(alias="JobID")
    status: str = Field(alias="Status")
    minor_status: str = Field(alias="MinorStatus")
    time_stamp: datetime = Field(alias="TimeStamp")


class InsertedJSONJob(InsertedJob):
    """A job that was described in JSON, or in JDL that was read strictly, with what its author should know."""

    # A server before strict reading answers without.
    warnings: list[str] = Field(default=[], alias="Warnings")


class CheckedTexts(ClosedModel):
    """Job descriptions to be checked, in one of the two forms."""

    model_config = ConfigDict(populate_by_name=True)

    jdl: Annotated[list[JDL], Field(fail_fast=True)] = Field(default=[], max_length=CHECKED_MAX)
    json_: Annotated[list[JobDocument], Field(fail_fast=True)] | None = Field(
        default=None, alias="json", max_length=CHECKED_MAX
    )

    @model_validator(mode="after")
    def _is_one_form(self) -> "CheckedTexts":
        if bool(self.jdl) == (self.json_ is not None):
            raise ValueError("give either jdl or json")
        return self


class CheckedJob(BaseModel):
    """What a description would make: how many jobs, with which requirements, and what its author should know."""

    jobs: int = Field(alias="Jobs")
    warnings: list[str] = Field(alias="Warnings")
    requirements: list[dict[str, Any]] = Field(alias="Requirements")
    preview: list[str] = Field(
        default=[], alias="Preview", description="The first ten jobs as they would be, in JDL; their ids are %j"
    )
